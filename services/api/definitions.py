"""Definitions over HTTP: apply them all at once; ``kinds`` has the routes of each kind."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from ..definitions.planning import Doc, identity
from .answers import answer
from .checking import KIND_OF, check, told
from .kinds import serve
from .parts import Served
from .routing import StrictRoute

router = APIRouter(prefix="/api/v1", tags=["definitions"], route_class=StrictRoute)


class ApplyRequest(BaseModel):
    """Definitions by kind, as files have them.

    Attributes:
        prune: delete what is not among them, of the kinds that are given.
        dry_run: only tell what would change.
        plan: do this plan, as a dry run told it, and no other.
    """

    model_config = ConfigDict(extra="forbid")

    automations: list[Doc] | None = None
    deployments: list[Doc] | None = None
    webhooks: list[Doc] | None = None
    receivers: list[Doc] | None = None
    variables: list[Doc] | None = None
    limits: list[Doc] | None = None
    work_pools: list[Doc] | None = None
    prune: bool = Field(default=False)
    dry_run: bool = Field(default=False)
    plan: str | None = Field(default=None, max_length=64)

    def given(self) -> dict[str, list[Doc]]:
        """Return the lists that the request has."""
        lists = {kind: getattr(self, kind) for kind in KIND_OF}
        return {kind: docs for kind, docs in lists.items() if docs is not None}


@router.post("/apply")
async def apply(parts: Served, request: ApplyRequest) -> Response:
    """Make the stored definitions the given ones: all of it, or nothing where anything is wrong.

    The answer tells of each what becomes of it: `created`, `updated`, `unchanged`, `deleted`,
    with the fields that differ; the identity of this plan; and warnings of what may be wrong.
    """
    # Thousands of them take seconds: not in the loop, where all other requests would wait.
    wanted = await asyncio.to_thread(check, request.given())
    changes = await parts.catalog.apply(
        wanted, prune=request.prune, dry_run=request.dry_run, only=request.plan
    )
    parts.webhooks.forget()
    return answer(
        {
            "changes": [told(change) for change in changes],
            "plan": identity(changes),
            "warnings": [each for change in changes for each in change.warnings],
            "dry_run": request.dry_run,
        }
    )


for _plural in KIND_OF:
    serve(router, _plural)
