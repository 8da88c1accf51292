"""Firings with the outcomes of their actions, of the store and of the archive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json

from upshot.events.exceptions import NotFound
from upshot.events.places import Place, newest_first
from upshot.events.store import Store

from .archive import Archive, Placed, Span
from .seam import Live, Page, complete

if TYPE_CHECKING:
    from .reading import Reader

_KIND: Final = "firings"
_MOST_SCANNED: Final = 20_000
"""Firings that one request looks at; a rare one's search goes on with the next page."""


async def search(
    store: Store,
    archive: Archive | None,
    automation: str | None = None,
    *,
    limit: int = 100,
    before: Place | None = None,
) -> Page:
    """Return a page of firings, newest first; ``automation`` is a name or an id."""

    async def fetch(reader: Reader, span: Span, count: int) -> list[Placed]:
        return await reader.firings(automation, span, count)

    live = await _live(store, automation, limit, before)
    return await complete(store, archive, _KIND, live, fetch, before=before, limit=limit)


async def _live(store: Store, automation: str | None, limit: int, before: Place | None) -> Live:
    found: list[Placed] = []
    scanned = 0
    async for places in newest_first(store, store.keys(_KIND), before=before):
        for place, firing in await read(store, places):
            if automation in (None, firing.get("automation"), firing.get("automation_id")):
                found.append((place, firing))
        scanned += len(places)
        if len(found) > limit or scanned >= _MOST_SCANNED:
            return Live(found, places[-1])
    return Live(found, None)


async def read(store: Store, places: Sequence[Place]) -> list[Placed]:
    """Return the firings at these places that are in the store."""
    asked = [("HGETALL", store.keys("firing", place.id)) for place in places]
    stored = await store.pipeline([*asked])
    return [
        (place, shown_firing(fields))
        for place, fields in zip(places, stored, strict=True)
        if b"doc" in fields
    ]


async def find(store: Store, archive: Archive | None, firing: str) -> dict[str, Any]:
    """Return a firing by its id, or raise NotFound."""
    if found := await read(store, [Place(0, firing)]):
        return found[0][1]
    forgotten = await store.execute("HEXISTS", store.keys("forgotten"), _KIND)
    reader = await archive.reader() if forgotten and archive is not None else None
    archived = await reader.firing(firing) if reader is not None else None
    if archived is None:
        raise NotFound(f"no firing has the id {firing[:100]!r}")
    return archived


def shown_firing(fields: dict[bytes, bytes]) -> dict[str, Any]:
    """Return a firing as answers show it, from what the store keeps."""
    doc = from_json(fields[b"doc"])
    if by := fields.get(b"replaced"):
        doc["replaced_by"] = by.decode()
    return {**doc, "outcomes": _of_shadow(doc) if doc.get("shadow") else _settled(fields)}


def brief(firing: dict[str, Any]) -> dict[str, Any]:
    """Return a firing as lists show it: without what its actions were filled in with."""
    outcomes = {
        index: {name: value for name, value in outcome.items() if name != "arguments"}
        for index, outcome in firing["outcomes"].items()
    }
    return {**firing, "outcomes": outcomes}


def _settled(fields: dict[bytes, bytes]) -> dict[str, Any]:
    return {
        index.decode(): from_json(outcome)
        for index, outcome in sorted(fields.items())
        if index.isdigit()
    }


def _of_shadow(doc: dict[str, Any]) -> dict[str, Any]:
    """Return the outcomes of a firing on which nobody acts."""
    return {
        str(index): {"type": kind, "outcome": "shadow"} for index, kind in enumerate(doc["actions"])
    }
