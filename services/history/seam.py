"""Continues a list of the store behind its end: the rest is in the archive.

The store is read first. What left it since is in the archive, as nothing leaves before it is
there; so nothing is missed, and what both have is shown as the store has it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from upshot.events.places import Place
from upshot.events.store import Store

from .archive import Archive, Placed, Span

if TYPE_CHECKING:
    from .reading import Reader

Fetch: TypeAlias = "Callable[[Reader, Span, int], Awaitable[list[Placed]]]"
Page: TypeAlias = tuple[list[Placed], Place | None]
"""Items, and the place behind which the next page begins, or None at the end."""


@dataclass(frozen=True, slots=True)
class Live:
    """What the store gave.

    Attributes:
        items: newest first. reached: how far down the store was looked through; None to its end.
    """

    items: list[Placed]
    reached: Place | None


async def complete(
    store: Store,
    archive: Archive | None,
    kind: str,
    live: Live,
    fetch: Fetch,
    *,
    before: Place | None,
    limit: int,
) -> Page:
    """Return a page of what the store gave and what only the archive has.

    Args:
        kind: key of the list in the store, ``runs`` or ``firings``.
        fetch: asks the archive for a span of the same list, newest first.
        before: where the page begins.
    """
    told = await store.execute("HGET", store.keys("forgotten"), kind)
    newest = -1 if told is None else int(told)
    nothing_older = told is None or (live.reached is not None and live.reached.ms > newest)
    reader = None if nothing_older or archive is None else await archive.reader()
    if reader is None:
        return _cut(live.items, live.reached, limit)
    found = dict(live.items)
    at, more = before, True
    while more and len(found) <= len(live.items) + limit:
        rows = await fetch(reader, Span(at, live.reached, newest), limit + 1)
        gone = await _gone(store, kind, [place for place, _ in rows])
        found |= {place: item for place, item in rows if place in gone and place not in found}
        more = len(rows) > limit
        at = rows[-1][0] if rows else at
    return _cut(sorted(found.items(), reverse=True, key=_place), live.reached, limit)


def _place(item: Placed) -> Place:
    return item[0]


async def _gone(store: Store, kind: str, places: Sequence[Place]) -> set[Place]:
    """Return those that are not in the store any more."""
    if not places:
        return set()
    ids = [place.id for place in places]
    scores = await store.execute("ZMSCORE", store.keys(kind), *ids)
    return {place for place, score in zip(places, scores, strict=True) if score is None}


def _cut(items: list[Placed], reached: Place | None, limit: int) -> Page:
    if len(items) > limit:
        return items[:limit], items[limit - 1][0]
    return items, reached
