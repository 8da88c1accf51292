"""The log: append events to it, read it from a cursor, follow its end, trim what all have read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pydantic_core import from_json

from .event import Event, Recorded
from .ids import derived_id
from .store import Store

BATCH: Final = 500
DEDUP_MS: Final = 24 * 3600 * 1000
START: Final = "0-0"
MOST_BYTES: Final = 4 * 1024 * 1024
"""Of JSON that is read into objects at a time: they can take thirty times as much memory."""


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of an append: a position for each event, or None for a duplicate."""

    positions: list[str | None]

    @property
    def accepted(self) -> int:
        return len(self.positions) - self.duplicates

    @property
    def duplicates(self) -> int:
        return self.positions.count(None)


@dataclass(frozen=True, slots=True)
class Page:
    """What one reading of the log gave.

    Attributes:
        events: at most as many as were asked for, oldest first.
        cursor: position of the last one; read on from here.
        read_until: Unix ms of the store's clock; every event before it is read.
    """

    events: list[Recorded]
    cursor: str
    read_until: int


def milliseconds(position: str) -> int:
    """Return the time of a log position."""
    return int(position.partition("-")[0])


def order(position: str) -> tuple[int, int]:
    """Return what sorts log positions as the log has them."""
    time, _, sequence = position.partition("-")
    return int(time), int(sequence)


def recorded(entry: Sequence[Any]) -> Recorded:
    """Make an event of a raw stream entry ``[id, [field, value]]``.

    Of one that is no event (written by other means than ours) it makes ``log.unreadable``: else it
    would stop every reader of the log for ever.
    """
    position = entry[0].decode()
    try:
        kind, value = entry[1]
        body = from_json(value)
        _ = body["id"], body["event"], body["resource"]["id"], body["related"], body["payload"]
        _ = body["occurred"]
    except (ValueError, KeyError, TypeError) as error:
        return _unreadable(position, error)
    return Recorded(position, milliseconds(position), body, kind == b"o", len(value))


def _unreadable(position: str, error: Exception) -> Recorded:
    event = Event(
        id=derived_id("unreadable", position),
        event="log.unreadable",
        occurred=datetime.fromtimestamp(milliseconds(position) / 1000, UTC),
        resource={"id": "log"},
        payload={"position": position, "why": f"{type(error).__name__}: {error}"[:500]},
    )
    return Recorded(position, milliseconds(position), event.model_dump(mode="json"))


def some_recorded(entries: Sequence[Any]) -> list[Recorded]:
    """Make events of the first entries, as many as fit into ``MOST_BYTES`` and one at least."""
    events: list[Recorded] = []
    size = 0
    for entry in entries:
        size += len(entry[1][1])
        if size > MOST_BYTES and events:
            break
        events.append(recorded(entry))
    return events


class Log:
    """The log of one shard.

    Args:
        store: where it is kept.
        dedup_ms: for how long, at least, an id that the sender chose is remembered.
    """

    def __init__(self, store: Store, *, dedup_ms: int = DEDUP_MS) -> None:
        self._store = store
        self._key = store.keys("log")
        self._dedup_ms = dedup_ms

    async def append(self, events: Iterable[Event]) -> Appended:
        """Append events durably and in order; an id that was accepted before is a duplicate.

        Raises:
            InvalidEvent: one is too large; none is appended.
            StoreFull: the store refuses outside events for want of room.
            StoreUnavailable: it is not known whether they were appended; send them again.
        """
        return await self.append_raw([(event.id, event.to_json()) for event in events])

    async def append_raw(self, events: Iterable[tuple[str, bytes]]) -> Appended:
        """Append events given as id (``""``: not to be deduplicated) and checked JSON."""
        flat = [part for event in events for part in event]
        if not flat:
            return Appended([])
        answer = await self._store.call("append", self._dedup_ms, *flat)
        return Appended([position.decode() or None for position in answer])

    async def read(self, cursor: str, limit: int = BATCH) -> Page:
        """Return what follows ``cursor``, and up to when the log is then known.

        The clock is read first: whatever is appended after it has a later time, so a reading that
        came back short has seen everything before it.
        """
        clock, entries = await self._store.pipeline(
            [("TIME",), ("XRANGE", self._key, f"({cursor}", "+", "COUNT", limit)]
        )
        events = some_recorded(entries)
        now = int(clock[0]) * 1000 + int(clock[1]) // 1000
        if not events:
            return Page([], cursor, now)
        last = events[-1]
        more = len(entries) == limit or len(events) < len(entries)
        return Page(events, last.position, last.received if more else now)

    async def wait(self, cursor: str, timeout_ms: int, limit: int = BATCH) -> list[Recorded]:
        """Return what follows ``cursor`` as soon as something does; nothing after the timeout.

        As with :meth:`read` it is at most ``limit`` events, and fewer when they are large.
        """
        options = ("COUNT", limit, "BLOCK", max(1, timeout_ms))
        answer = await self._store.execute("XREAD", *options, "STREAMS", self._key, cursor)
        return some_recorded(next(iter(answer.values()))) if answer else []

    async def tail(self, cursor: str | None = None, poll_ms: int = 5000) -> AsyncIterator[Recorded]:
        """Yield events after ``cursor`` (default: from now on) as they come, for ever."""
        at = await self.end() if cursor is None else cursor
        while True:
            for event in await self.wait(at, poll_ms):
                yield event
                at = event.position

    async def range(
        self, first: str = "-", last: str = "+", limit: int = BATCH, *, newest_first: bool = False
    ) -> list[Recorded]:
        """Return events between two positions (``(`` before one excludes it)."""
        order = ("XREVRANGE", self._key, last, first)
        bounds = order if newest_first else ("XRANGE", self._key, first, last)
        entries = await self._store.execute(*bounds, "COUNT", limit)
        return [recorded(entry) for entry in entries]

    async def fetch(self, positions: Sequence[str]) -> list[Recorded]:
        """Return the events at these positions; what was trimmed is missing."""
        answers = await self._store.pipeline(
            [("XRANGE", self._key, position, position) for position in positions]
        )
        return [recorded(entry) for entries in answers for entry in entries]

    async def end(self) -> str:
        """Return the position of the newest event."""
        newest = await self.range(limit=1, newest_first=True)
        return newest[0].position if newest else START

    async def register(self, consumer: str, position: str, read: int = 0) -> None:
        """Keep everything after ``position`` for this consumer, which has read so many in all."""
        await self._store.call("register", consumer, position, read)

    async def expect(self, consumer: str) -> None:
        """Keep everything for a consumer that will register; nothing changes if it has."""
        await self._store.execute("HSETNX", self._store.keys("cursors"), consumer, START)

    async def trim(self, keep_ms: int, limit: int = 100_000) -> int:
        """Drop events older than ``keep_ms`` that every registered consumer has read."""
        return int(await self._store.call("trim", keep_ms, limit))
