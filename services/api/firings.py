"""Firings over HTTP: what automations decided, why, and what became of each action."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from pydantic_core import from_json
from starlette.responses import Response

from upshot.events.exceptions import NotFound
from upshot.events.store import Store

from .answers import Cursor, Limit, answer, page
from .parts import Served

router = APIRouter(prefix="/api/v1/firings", tags=["firings"])

_PAGE: Final = 200
_MOST_SCANNED: Final = 20_000


@router.get("")
async def list_firings(
    parts: Served, automation: str | None = None, limit: Limit = 100, cursor: Cursor = None
) -> Response:
    """List firings, newest first; `automation` is a name or an id."""
    items, following = await search(parts.store, automation, limit=limit, after=cursor)
    return page(items, following)


@router.get("/{firing}")
async def show_firing(parts: Served, firing: str) -> Response:
    """Show a firing: its reason, its events, and the `outcomes` of its actions by index."""
    found = await _read(parts.store, [firing])
    if not found:
        raise NotFound(f"no firing has the id {firing[:100]!r}")
    return answer(found[0])


async def search(
    store: Store, automation: str | None = None, *, limit: int = 100, after: str | None = None
) -> tuple[list[dict[str, Any]], str | None]:
    """Return firings newest first, and the id after which the next page begins."""
    start = await _start(store, after)
    found: list[dict[str, Any]] = []
    for first in range(start, start + _MOST_SCANNED, _PAGE):
        key = store.keys("firings")
        ids = await store.execute("ZREVRANGE", key, first, first + _PAGE - 1)
        for firing in await _read(store, [each.decode() for each in ids]):
            if automation in (None, firing.get("automation"), firing.get("automation_id")):
                found.append(firing)
                if len(found) == limit:
                    return found, firing["id"]
        if len(ids) < _PAGE:
            return found, None
    return found, ids[-1].decode()


async def _start(store: Store, after: str | None) -> int:
    if after is None:
        return 0
    rank = await store.execute("ZREVRANK", store.keys("firings"), after)
    if rank is None:
        raise NotFound(f"cursor {after[:100]!r} names no firing")
    return int(rank) + 1


async def _read(store: Store, ids: list[str]) -> list[dict[str, Any]]:
    stored = await store.pipeline([("HGETALL", store.keys("firing", each)) for each in ids])
    return [_shown(fields) for fields in stored if fields]


def _shown(fields: dict[bytes, bytes]) -> dict[str, Any]:
    outcomes = {
        index.decode(): from_json(outcome)
        for index, outcome in sorted(fields.items())
        if index.isdigit()
    }
    return {**from_json(fields[b"doc"]), "outcomes": outcomes}
