"""Firings over HTTP: what automations decided, why, and what became of each action."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from ..history.firings import find, search
from .answers import Cursor, Limit, answer, page, place_of
from .parts import Served

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
    return page([firing for _, firing in items], following and str(following))


@router.get("/{firing}")
async def show_firing(parts: Served, firing: str) -> Response:
    """Show a firing: its reason, its events, and the `outcomes` of its actions by index.

    Those of a shadow tell what each action `would` have done, filled in as of now.
    """
    found = await find(parts.store, parts.archive, firing)
    return answer(await parts.shadows.filled_in(found) if found.get("shadow") else found)
