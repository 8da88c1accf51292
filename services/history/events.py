"""Events, newest or oldest first, of the log and, where that was trimmed, of the archive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from upshot.events.event import Recorded
from upshot.events.exceptions import EventsError
from upshot.events.log import BATCH, START, Log, milliseconds, order, recorded
from upshot.events.store import Store

from ..exceptions import HistoryUnavailable
from .archive import Archive
from .filters import EventFilter

log = structlog.get_logger(__name__)

_PAGE: Final = 1_000
_LOOK: Final = 200
_MOST_BYTES: Final = 4 * 1024 * 1024
"""Of events that one answer holds; the others come with the next page."""
_MOST_SCANNED: Final = 50_000
"""Entries that one request looks at; a rare event's search goes on with the next page."""

_SOON: Final = 5_000
"""Entries of a log that is read through in less time than the archive's code takes to load."""

_LAST: Final = 2**63 - 1
"""The greatest number within a millisecond that both the log and the database can compare."""

Found = tuple[list[Recorded], str | None]


async def search(
    store: Store,
    archive: Archive | None,
    wanted: EventFilter,
    *,
    since: int | None = None,
    until: int | None = None,
    limit: int = 100,
    before: str | None = None,
) -> Found:
    """Return events newest first, and from where to go on, or None at the end.

    What one resource or one name tells is found by an index of the archive, as far as that
    reaches: a long log would have to be read through.

    Args:
        since, until: Unix ms, both included. before: a log position, excluded.
    """
    asked = _Asked(store, archive, wanted, since, until, limit)
    reached = None
    if archive is not None and wanted.needle and await _is_long(store):
        reached = await archive.reaches()
    if reached is not None:
        try:
            return await _search(asked, before, reached)
        except HistoryUnavailable:
            log.info("searching the log", reason="the archive is away")
    return await _search(asked, before, None)


async def _is_long(store: Store) -> bool:
    """Tell whether to read through the log takes longer than to look elsewhere."""
    return int(await store.execute("XLEN", store.keys("log"))) > _SOON


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is searched, and for what."""

    store: Store
    archive: Archive | None
    wanted: EventFilter
    since: int | None
    until: int | None
    limit: int


async def _search(asked: _Asked, before: str | None, reached: str | None) -> Found:
    """Search the log, and what the archive has up to ``reached``, or that was trimmed, there."""
    store, wanted, limit, until = asked.store, asked.wanted, asked.limit, asked.until
    high = f"({before}" if before else "+" if until is None else str(until)
    low = "-" if asked.since is None else str(asked.since)
    if reached is not None and (asked.since is None or milliseconds(reached) >= asked.since):
        low = f"({reached}"
    key = store.keys("log")
    found: list[Recorded] = []
    size = 0
    for _ in range(_MOST_SCANNED // _LOOK):
        entries = await store.execute("XREVRANGE", key, high, low, "COUNT", _LOOK)
        for entry in entries:
            if wanted.needle in entry[1][1] and wanted.matches(event := recorded(entry)):
                found.append(event)
                size += event.size
                if len(found) == limit or size > _MOST_BYTES:
                    return found, event.position
        if entries:
            before, high = entries[-1][0].decode(), f"({entries[-1][0].decode()}"
        if len(entries) < _LOOK:
            if reached is not None:
                before = min(filter(None, (before, _behind(reached))), key=order)
            elif asked.archive is None or await _reaches_back(store, asked.since):
                return found, None
            older = await _older(asked, before, limit - len(found))
            return found + older[0], older[1]
    return found, before


def _behind(position: str) -> str:
    """Return the next position."""
    ms, seq = order(position)
    return f"{ms}-{seq + 1}"


async def _older(asked: _Asked, before: str | None, limit: int) -> Found:
    """Go on in the archive."""
    wanted, since, until = asked.wanted, asked.since, asked.until
    reader = await asked.archive.reader() if asked.archive is not None else None
    found: list[Recorded] = []
    for _ in range(_MOST_SCANNED // _PAGE if reader is not None else 0):
        assert reader is not None
        count = _PAGE if wanted.event or wanted.resource else limit
        page = await reader.events_before(
            wanted, before=before, since=since, until=until, limit=count
        )
        for event in page:
            if wanted.matches(event):
                found.append(event)
                if len(found) == limit:
                    return found, event.position
        if len(page) < count:
            return found, None
        before = page[-1].position
    return found, before if reader is not None else None


async def _reaches_back(store: Store, since: int | None) -> bool:
    """Tell whether the log itself has everything there is from ``since`` on."""
    try:
        told = await store.execute("XINFO", "STREAM", store.keys("log"))
    except EventsError as error:
        if "no such key" in str(error):  # emptied altogether, or nothing ever happened
            return False
        raise
    if told[b"entries-added"] == told[b"length"]:
        return True
    first = told[b"first-entry"]
    return bool(since is not None and first and milliseconds(first[0].decode()) < since)


async def oldest_first(
    store: Store,
    archive: Archive | None,
    *,
    since: int | None = None,
    until: int | None = None,
    limit: int = _PAGE,
) -> AsyncIterator[list[Recorded]]:
    """Yield all events in batches, oldest first, up to the log's present end.

    Args:
        since, until: Unix ms, both included. limit: events of a batch, at most.
    """
    after = START if not since else f"{since - 1}-{_LAST}"
    last, count = "+" if until is None else str(until), limit
    while True:
        entries, begins = await _page(store, f"({after}", last, count)
        first = entries[0][0].decode() if entries else None
        if begins is None or order(begins) > order(after):
            batch = await _trimmed(archive, after, first, until, limit)
            if batch:
                yield batch
                # As long as the archive has more, a look at the log is for its beginning only.
                after, count = batch[-1].position, 1 if len(batch) == limit else limit
                continue
        if entries:
            yield [recorded(entry) for entry in entries]
            after = entries[-1][0].decode()
        if len(entries) < count:
            return
        count = limit


async def _page(
    store: Store, first: str, last: str, count: int
) -> tuple[Sequence[Any], str | None]:
    """Return entries of the log, and then where it begins, so that a gap can't be missed."""
    key = store.keys("log")
    entries, oldest = await store.pipeline(
        [("XRANGE", key, first, last, "COUNT", count), ("XRANGE", key, "-", "+", "COUNT", 1)]
    )
    return entries, oldest[0][0].decode() if oldest else None


async def _trimmed(
    archive: Archive | None, after: str, before: str | None, until: int | None, limit: int
) -> list[Recorded]:
    reader = None if archive is None else await archive.reader()
    if reader is None:
        return []
    return await reader.events_after(after, before=before, until=until, limit=limit)


async def fetch(archive: Archive, positions: Sequence[str]) -> list[Recorded]:
    """Return the archived events at these positions; a missing one is left out."""
    reader = await archive.reader()
    found: list[Recorded] = []
    for first in range(0, len(positions) if reader is not None else 0, BATCH):
        assert reader is not None
        found += await reader.events_at(positions[first : first + BATCH])
    return found


async def at(store: Store, archive: Archive, positions: Sequence[str]) -> list[Recorded]:
    """Return the events at these positions of the log or, behind it, the archive, oldest first."""
    found = await Log(store).fetch(positions)
    there = {event.position for event in found}
    found += await fetch(archive, [each for each in positions if each not in there])
    return sorted(found, key=lambda event: order(event.position))
