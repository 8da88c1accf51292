"""The task runs of a run summed up by task, over HTTP: what a timeline of many thousands shows."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from .answers import page
from .parts import Served

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])


@router.get("/{run:path}/tasks")
async def list_tasks(parts: Served, run: str) -> Response:
    """Sum the task runs of a run up by task, in the order of the first calls.

    Each has how many `runs` there are, how many in each of the `states`, when the first one
    `started`, when the last one `ended` (null while some have not), and `after` which tasks they
    came: those whose futures they waited for.
    """
    found = await parts.recorded_runs.find(run)
    return page(await parts.recorded_runs.task_sums(found["id"]))
