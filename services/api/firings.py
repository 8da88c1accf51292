"""Firings over HTTP: what automations decided, why, and what became of each action."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from ..history.events import at
from ..history.firings import brief, find, search
from .answers import Cursor, Limit, answer, page, place_of
from .parts import Served
from .tail import show

router = APIRouter(prefix="/api/v1/firings", tags=["firings"])


@router.get("")
async def list_firings(
    parts: Served, automation: str | None = None, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """List firings, newest first; `automation` is a name or an id."""
    before = place_of(cursor)
    items, following = await search(
        parts.store, parts.archive, automation, limit=limit, before=before
    )
    return page([brief(firing) for _, firing in items], following and str(following))


@router.get("/{firing}/events")
async def list_events_of_firing(
    parts: Served, firing: str, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """List the events that a firing came of, oldest first, as far as they are kept."""
    found = await find(parts.store, parts.archive, firing)
    positions: list[str] = found.get("positions") or []
    left = positions[positions.index(cursor) + 1 if cursor in positions else 0 :]
    events = await at(parts.store, parts.archive, left[:limit])
    return page([show(event) for event in events], left[limit - 1] if len(left) > limit else None)


@router.get("/{firing}")
async def show_firing(parts: Served, firing: str) -> Response:
    """Show a firing: its reason, its `conditions` with their values, and what became of it.

    The `outcomes` of its actions by index tell of each its `arguments` as they were filled in
    (at most 8 KB, without secrets), its `if` and whether that held, and how it ended.
    Those of a shadow tell what each action `would` have done, filled in as of now.
    """
    found = await find(parts.store, parts.archive, firing)
    return answer(await parts.shadows.filled_in(found) if found.get("shadow") else found)
