"""Task runs over HTTP: those of one run, or of all runs from the newest on."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from upshot.flows.registry import RunFilter, Runs
from upshot.flows.states import NAMES

from ..exceptions import Refused
from .answers import Cursor, Limit, page
from .parts import Served

router = APIRouter(prefix="/api/v1/task-runs", tags=["runs"])

_MOST_RUNS: Final = 500
"""Runs that one request looks through; the search goes on with the next page."""


@router.get("")
async def list_task_runs(
    parts: Served,
    run: str | None = None,
    state: str | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List task runs: of one run, or of all of them, newest runs first; oldest first in each."""
    require_state(state)
    only = (await parts.runs.find(run)).id if run else None
    items, following = await page_of(parts.runs, only, state, limit, cursor)
    return page(items, following)


def require_state(state: str | None) -> None:
    """Do nothing when a state is called so, or none is given; else refuse it."""
    if state is not None and state not in NAMES:
        detail = f"no state is called {state[:100]!r}; there are {', '.join(NAMES)}"
        errors: list[dict[str, object]] = [{"field": "state", "message": detail}]
        raise Refused(422, "invalid-request", f"state: {detail}", errors=errors)


async def page_of(
    runs: Runs, only: str | None, state: str | None, limit: int, cursor: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of task runs; its cursor is ``<run>:<how many of its tasks are done with>``."""
    first, _, done = (cursor or "").rpartition(":")
    found: list[dict[str, Any]] = []
    ids, more = await _run_ids(runs, only, first or None)
    at = ""
    for run_id in ids:
        tasks = await runs.tasks(run_id)
        skipped = int(done) if run_id == first and done.isdigit() else 0
        for index, task in enumerate(tasks[skipped:], skipped + 1):
            if state in (None, task["state"]["type"], task["state"]["name"]):
                found.append(task)
            if len(found) == limit:
                return found, f"{run_id}:{index}"
        at = f"{run_id}:{len(tasks)}"
    return found, at if more else None


async def _run_ids(runs: Runs, only: str | None, first: str | None) -> tuple[list[str], bool]:
    """Return the runs to look through, and whether there are more."""
    if only is not None:
        return [only], False
    listed, following = await runs.list(RunFilter(), limit=_MOST_RUNS, cursor=first)
    ids = [run.id for run in listed]
    return [first, *ids] if first else ids, following is not None
