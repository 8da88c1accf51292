"""Task runs over HTTP: those of one run, or of all runs from the newest on."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from upshot.automations.suggestions import did_you_mean
from upshot.events.places import Place
from upshot.flows.runs.tasks import AT_ONCE, TaskFilter, TaskRun
from upshot.flows.states import NAMES

from ..exceptions import Refused
from ..history.runs import RecordedRuns
from .answers import Cursor, Limit, page, place_of
from .parts import Served

router = APIRouter(prefix="/api/v1/task-runs", tags=["runs"])

_MOST_RUNS: Final = 500
_MOST_TASKS: Final = 20_000
"""Runs, and task runs, that one request looks through; the search goes on with the next page."""


@router.get("")
async def list_task_runs(
    parts: Served,
    run: str | None = None,
    state: str | None = None,
    task: str | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List task runs: of one run, or of all of them, newest runs first; oldest first in each."""
    only = (await parts.recorded_runs.find(run))["id"] if run else None
    items, following = await page_of(parts.recorded_runs, only, wanted(state, task), limit, cursor)
    return page(items, following)


def require_state(state: str | None) -> None:
    """Do nothing when a state is called so, or none is given; else refuse it."""
    if state is not None and state not in NAMES:
        hint = did_you_mean(state[:100].capitalize(), set(NAMES))
        detail = f"no state is called {state[:100]!r}{hint}; there are {', '.join(NAMES)}"
        errors: list[dict[str, object]] = [{"field": "state", "message": detail}]
        raise Refused(422, "invalid-request", f"state: {detail}", errors=errors)


def wanted(state: str | None, task: str | None) -> TaskFilter:
    """Return what tells whether a task run is in a state, and of a task, where these are given.

    Raises:
        Refused: no state is called so.
    """
    require_state(state)
    return TaskFilter(state, task)


async def page_of(
    runs: RecordedRuns, only: str | None, wanted: TaskFilter, limit: int, cursor: str | None
) -> tuple[list[TaskRun], str | None]:
    """Return a page of task runs.

    Its cursor is ``<place of a run>:<how many of its task runs are done with>``.
    """
    first, _, done = (cursor or "").rpartition(":")
    start = place_of(first if first and done.isdigit() else cursor)
    places = await _places(runs, only, start)
    found: list[TaskRun] = []
    looked, reached, at = 0, 0, None
    for place in await runs.with_tasks(places):
        at, reached = place, int(done) if place == start and done.isdigit() else 0
        async for part in runs.portions(place.id, reached, wanted, _size(wanted, limit)):
            for index, task in part.found:
                found.append(task)
                if len(found) == limit:
                    return found, f"{place}:{index}"
            looked, reached = looked + part.reached - reached, part.reached
            if looked >= _MOST_TASKS:
                return found, f"{place}:{reached}"
    # All that the last run has was looked at, also where that is nothing.
    if len(places) < _MOST_RUNS:
        return found, None
    return found, f"{places[-1]}:{reached if at == places[-1] else 0}"


def _size(wanted: TaskFilter, limit: int) -> int:
    return min(limit, AT_ONCE) if wanted == TaskFilter() else AT_ONCE


async def _places(runs: RecordedRuns, only: str | None, start: Place | None) -> list[Place]:
    """Return the runs to look through, that at ``start`` among them."""
    if only is not None:
        return [start or Place(0, only)]
    places = await runs.places(limit=_MOST_RUNS, before=start)
    return [start, *places] if start else places
