"""Promotions over HTTP: a shadow acts from now on, and what it replaces is paused."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from ..definitions.names import resolve
from ..definitions.promotion import promote
from ..exceptions import Refused
from .answers import answer
from .checking import shown
from .conditional import IF_MATCH, etag, expected_version
from .parts import Parts, Served
from .routing import StrictRoute

router = APIRouter(prefix="/api/v1/automations", tags=["automations"], route_class=StrictRoute)

_KIND: Final = "automation"


class PromoteRequest(BaseModel):
    """How a shadow is promoted.

    Attributes:
        replaces: name or id of the automation that is paused in the same step.
    """

    model_config = ConfigDict(extra="forbid")

    replaces: Annotated[str, Field(min_length=1, max_length=256)] | None = None


@router.post("/{name:path}/promote", openapi_extra={"parameters": [IF_MATCH]})
async def promote_shadow(
    parts: Served, http: Request, name: str, request: PromoteRequest | None = None
) -> Response:
    """Let a shadow act from now on; `If-Match` says which version of it.

    Its trigger goes on with what it has counted. What it `replaces` is paused in the same step.
    """
    found = await resolve(parts.catalog, _KIND, name)
    replaced = await _replaced(parts, found, request)
    version, _ = await parts.catalog.version(_KIND, found)
    expected = expected_version(http.headers, version, required=True)
    await promote(parts.catalog, found, expected=expected, replaces=replaced)
    version, doc = await parts.catalog.version(_KIND, found)
    made = answer(shown(_KIND, found, version, doc))
    made.headers["ETag"] = etag(version)
    return made


async def _replaced(parts: Parts, name: str, request: PromoteRequest | None) -> str | None:
    """Return the name of what is to be replaced.

    Raises:
        NotFound: there is none. Refused: 422, it is the shadow itself.
    """
    if request is None or request.replaces is None:
        return None
    replaced = await resolve(parts.catalog, _KIND, request.replaces)
    if replaced == name:
        message = "names the shadow itself; name the automation that it takes the place of"
        errors: list[dict[str, object]] = [{"field": "replaces", "message": message}]
        raise Refused(422, "invalid-request", f"replaces: {message}", errors=errors)
    return replaced
