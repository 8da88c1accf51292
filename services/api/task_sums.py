"""The task runs of a run summed up by task, over HTTP: what a timeline of many thousands shows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

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
    task_runs = await parts.recorded_runs.tasks(found["id"])
    # Of 100,000 it takes most of a second, in which others go on.
    return page(await asyncio.to_thread(summed, task_runs))


def summed(task_runs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the sums of task runs that are given oldest first; pure."""
    by_task: dict[str, list[Mapping[str, Any]]] = {}
    for each in task_runs:
        by_task.setdefault(each["task"], []).append(each)
    return [{"task": name, **_sum(found)} for name, found in by_task.items()]


def _sum(found: list[Mapping[str, Any]]) -> dict[str, Any]:
    ends = [each["ended"] for each in found]
    return {
        "runs": len(found),
        "states": dict(Counter(each["state"]["name"] for each in found).most_common()),
        "created": found[0]["created"],
        "started": min((each["started"] for each in found if each["started"]), default=None),
        "ended": None if None in ends else max(ends),
        "after": sorted({name for each in found for name in each.get("after", ())}),
    }
