"""Task runs over HTTP: those of one run, or of all runs from the newest on."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from upshot.events.places import Place
from upshot.flows.states import NAMES

from ..exceptions import Refused
from ..history.runs import RecordedRuns
from .answers import Cursor, Limit, page, place_of
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
    only = (await parts.recorded_runs.find(run))["id"] if run else None
    items, following = await page_of(parts.recorded_runs, only, state, limit, cursor)
    return page(items, following)


def require_state(state: str | None) -> None:
    """Do nothing when a state is called so, or none is given; else refuse it."""
    if state is not None and state not in NAMES:
        detail = f"no state is called {state[:100]!r}; there are {', '.join(NAMES)}"
        errors: list[dict[str, object]] = [{"field": "state", "message": detail}]
        raise Refused(422, "invalid-request", f"state: {detail}", errors=errors)


async def page_of(
    runs: RecordedRuns, only: str | None, state: str | None, limit: int, cursor: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """Return a page of task runs.

    Its cursor is ``<place of a run>:<how many of its task runs are done with>``.
    """
    first, _, done = (cursor or "").rpartition(":")
    start = place_of(first)
    places = await _places(runs, only, start)
    found: list[dict[str, Any]] = []
    for place in places:
        tasks: list[dict[str, Any]] = await runs.tasks(place.id)
        skipped = int(done) if place == start and done.isdigit() else 0
        for index, task in enumerate(tasks[skipped:], skipped + 1):
            if state in (None, task["state"]["type"], task["state"]["name"]):
                found.append(task)
            if len(found) == limit:
                return found, f"{place}:{index}"
    return found, f"{places[-1]}:{len(tasks)}" if len(places) >= _MOST_RUNS else None


async def _places(runs: RecordedRuns, only: str | None, start: Place | None) -> list[Place]:
    """Return the runs to look through, that at ``start`` among them."""
    if only is not None:
        return [start or Place(0, only)]
    places = await runs.places(limit=_MOST_RUNS, before=start)
    return [start, *places] if start else places
