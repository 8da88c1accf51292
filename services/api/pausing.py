"""Runs that wait, over HTTP: paused, and resumed with the input that they ask for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from .answers import answer
from .parts import Served
from .routing import StrictRoute

router = APIRouter(prefix="/api/v1/runs", tags=["runs"], route_class=StrictRoute)


class PauseRequest(BaseModel):
    """Why a run is paused, or goes on.

    Attributes:
        message: shown with the run's state.
    """

    model_config = ConfigDict(extra="forbid")

    message: Annotated[str, Field(max_length=1000)] = ""


class ResumeRequest(PauseRequest):
    """What a paused run goes on with.

    Attributes:
        input: what it asks for, as the schema of its `pause` says; null where it asks for nothing.
    """

    input: Any = None


@router.post("/{run:path}/pause")
async def pause_run(
    parts: Served, run: str, request: Annotated[PauseRequest | None, Body()] = None
) -> Response:
    """Let a run wait; one under way stops at its next task. One that is paused stays so."""
    found = await parts.recorded_runs.live(run)
    message = (request and request.message) or "paused by hand"
    return answer((await parts.runs.pause(found.id, message)).to_dict())


@router.post("/{run:path}/resume")
async def resume_run(
    parts: Served, run: str, request: Annotated[ResumeRequest | None, Body()] = None
) -> Response:
    """Let a paused run go on where it stopped, with the input that its `pause` asks for."""
    found = await parts.recorded_runs.live(run)
    given = request or ResumeRequest()
    message = given.message or "resumed by hand"
    return answer((await parts.runs.resume(found.id, message, input=given.input)).to_dict())
