"""The tests beside a rule over HTTP: run on a virtual clock, acting on nothing."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from upshot.automations.trying.rendering import Lookups
from upshot.automations.trying.testing import run

from .answers import answer
from .explain import subject_of
from .parts import Served

router = APIRouter(prefix="/api/v1/automations", tags=["automations"])


class RunTests(BaseModel):
    """What is to be tested.

    Attributes:
        automation: a definition with `tests`, or the name or id of a stored one.
    """

    model_config = ConfigDict(extra="forbid")

    automation: Annotated[str, Field(min_length=1, max_length=256)] | dict[str, Any]


@router.post("/test")
async def run_tests(parts: Served, request: RunTests) -> Response:
    """Run an automation's `tests`, by the code that runs live, and tell how each ended."""
    subject = await subject_of(parts, request.automation)
    docs = await parts.catalog.all("variable")
    variables = {name: doc.get("value") for name, doc in docs.items()}
    lookups = Lookups(variables, await parts.catalog.all("deployment"))
    ended = run(subject.automation, lookups)
    passed = sum(each.passed for each in ended)
    items = [each.to_dict() for each in ended]
    return answer({"passed": passed, "failed": len(ended) - passed, "tests": items})
