"""Traces over HTTP: what caused an event, and what came of it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from ..history.tracing import trace
from ..past import find_event
from .answers import answer
from .parts import Served
from .tail import show

router = APIRouter(prefix="/api/v1/events", tags=["events"])


@router.get("/{event:path}/trace")
async def trace_event(parts: Served, event: str) -> Response:
    """Trace an event: its `causes`, the first one first, and its `effects`, oldest first.

    Each effect's `follows` names the event that it came of. `missing` is the id of a cause that
    is not recorded, and `more` tells whether there are further effects.
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
        }
    )
