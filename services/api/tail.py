"""One reader of the log's end for all who follow it: the store sees one client, not hundreds.

Each follower has a cursor of its own. What it has not seen yet comes from the newest events kept
here, or from the log itself when it is further behind; so a slow one costs nothing but its
place, and loses nothing.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import structlog

from upshot.events.event import Recorded
from upshot.events.exceptions import EventsError
from upshot.events.log import Log

from .ending import end

Place: TypeAlias = tuple[int, int]

_KEPT: Final = 2_000
_KEPT_BYTES: Final = 4 * 1024 * 1024
_PAGE: Final = 500
_POLL_MS: Final = 5_000
_PAUSE: Final = 0.5
_log = structlog.stdlib.get_logger()


def place(position: str) -> Place:
    """Return a log position in a form that sorts.

    Raises:
        ValueError: it is not of the form ``<milliseconds>-<sequence>``.
    """
    milliseconds, _, sequence = position.partition("-")
    return int(milliseconds), int(sequence)


def show(event: Recorded) -> dict[str, Any]:
    """Return an event as JSON answers show it: itself, and where and when it entered the log."""
    received = datetime.fromtimestamp(event.received / 1000, UTC)
    text = received.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {**event.body, "received": text, "position": event.position}


class Tail:
    """Follows the log while somebody listens.

    Args:
        log: what is followed.
    """

    def __init__(self, log: Log) -> None:
        self._source = log
        self._kept: deque[Recorded] = deque()
        self._kept_bytes = 0
        self._floor: Place | None = None  # everything after it is in _kept
        self._news = asyncio.Event()
        self._followers = 0
        self._reader: asyncio.Task[None] | None = None
        self._closed = False

    async def end(self) -> str:
        """Return the position from which on events are new."""
        return await self._source.end()

    async def follow(self, cursor: str, patience: float) -> AsyncIterator[list[Recorded]]:
        """Yield what follows ``cursor`` in batches, an empty one each ``patience`` idle seconds."""
        self._join()
        try:
            while not self._closed:
                news = self._news
                batch = await self._after(cursor)
                if batch:
                    cursor = batch[-1].position
                    yield batch
                elif not await _happens(news, patience):
                    yield []
        finally:
            await self._leave()

    async def close(self) -> None:
        """Let every follower end."""
        self._closed = True
        self._tell()
        await self._stop()

    def _join(self) -> None:
        self._followers += 1
        if self._reader is None:
            self._reader = asyncio.create_task(self._read_on())

    async def _leave(self) -> None:
        self._followers -= 1
        if not self._followers:
            await self._stop()

    async def _stop(self) -> None:
        reader, self._reader = self._reader, None
        self._forget()
        if reader is not None:
            await end(reader)

    async def _read_on(self) -> None:
        while True:
            try:
                await self._read_until_failure()
            except EventsError as error:
                _log.warning("the log can't be followed now", error=str(error))
            self._forget()
            await asyncio.sleep(_PAUSE)

    async def _read_until_failure(self) -> None:
        cursor = await self._source.end()
        self._floor = place(cursor)
        self._tell()  # whoever waited since before reads on from its own cursor
        while True:
            events = await self._source.wait(cursor, _POLL_MS)
            if events:
                cursor = events[-1].position
                self._keep(events)
                self._tell()

    def _keep(self, events: list[Recorded]) -> None:
        for event in events:
            self._kept.append(event)
            self._kept_bytes += event.size
            while len(self._kept) > _KEPT or self._kept_bytes > _KEPT_BYTES:
                dropped = self._kept.popleft()
                self._kept_bytes -= dropped.size
                self._floor = place(dropped.position)

    def _forget(self) -> None:
        self._floor = None
        self._kept.clear()
        self._kept_bytes = 0

    def _tell(self) -> None:
        told, self._news = self._news, asyncio.Event()
        told.set()

    async def _after(self, cursor: str) -> list[Recorded]:
        at = place(cursor)
        if self._floor is None or at < self._floor:
            return (await self._source.read(cursor, _PAGE)).events
        start = bisect_right(self._kept, at, key=lambda event: place(event.position))
        return [self._kept[index] for index in range(start, min(start + _PAGE, len(self._kept)))]


async def _happens(news: asyncio.Event, patience: float) -> bool:
    try:
        await asyncio.wait_for(news.wait(), patience)
    except TimeoutError:
        return False
    return True
