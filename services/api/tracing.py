"""Single events over HTTP, and their traces: what caused an event, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from upshot.events.event import Recorded
from upshot.events.exceptions import NotFound

from ..definitions.past import find_event
from ..history.firings import find
from ..history.tracing import trace
from .answers import answer
from .parts import Parts, Served
from .tail import show

_MOST_FIRINGS: Final = 100

router = APIRouter(prefix="/api/v1/events", tags=["events"])


@router.get("/{event:path}/trace")
async def trace_event(parts: Served, event: str) -> Response:
    """Trace an event: its `causes`, the first one first, and its `effects`, oldest first.

    Each effect's `follows` names the event that it came of. `missing` is the id of a cause that
    is not recorded, and `more` tells whether there are further effects. `firings` has those on
    the way by id, each with the outcomes of its actions.
    """
    found = await trace(
        parts.store, parts.archive, await find_event(parts.store, parts.archive, event)
    )
    return answer(
        {
            "event": show(found.event),
            "causes": [show(each) for each in found.causes],
            "effects": [show(each) for each in found.effects],
            "missing": found.missing,
            "more": found.more,
            "firings": await _firings(parts, [*found.causes, found.event, *found.effects]),
        }
    )


@router.get("/{event:path}")
async def show_event(parts: Served, event: str) -> Response:
    """Show an event, given by its id."""
    return answer(show(await find_event(parts.store, parts.archive, event)))


async def _firings(parts: Parts, events: Sequence[Recorded]) -> dict[str, Any]:
    """Return the firings that these events tell of, as far as they are kept."""
    told = (str(each.payload.get("firing")) for each in events if each.own and _of_firing(each))
    found: dict[str, Any] = {}
    for firing in islice(dict.fromkeys(told), _MOST_FIRINGS):
        with suppress(NotFound):
            found[firing] = await find(parts.store, parts.archive, firing)
    return found


def _of_firing(event: Recorded) -> bool:
    return event.name.startswith(("automation.", "action.")) and "firing" in event.payload
