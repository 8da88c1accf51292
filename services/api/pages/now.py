"""The first page: what goes on now."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from upshot.events.exceptions import EventsError

from .. import dead_letters, event_log, firings, runs
from ..health import readiness
from ..parts import Parts, Served
from .rendering import page, told

router = APIRouter(include_in_schema=False)

_SHOWN: Final = 15


@router.get("/")
async def now(parts: Served) -> Response:
    """Show what goes on now."""
    health = await readiness(parts.store)
    found: dict[str, Any]
    try:
        found = await _latest(parts)
    except EventsError as error:
        found = {"away": str(error)}
    return page("now.html", health=health, live="/live", **found)


async def _latest(parts: Parts) -> dict[str, Any]:
    events = (await told(event_log.list_events(parts, limit=_SHOWN)))["items"]
    return {
        "away": None,
        "counts": {state: n for state, n in (await parts.runs.counts()).items() if n},
        "runs": (await told(runs.list_runs(parts, limit=_SHOWN)))["items"],
        "firings": (await told(firings.list_firings(parts, limit=_SHOWN)))["items"],
        "letters": await dead_letters.latest(parts.store, limit=_SHOWN),
        "events": [{**each, "resource": {"name": "", **each["resource"]}} for each in events],
    }
