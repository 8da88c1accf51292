"""Appends the events of many requests together: what gathers during one write is the next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from upshot.events.log import Appended

from ..exceptions import Overloaded

Item: TypeAlias = tuple[str, bytes]
"""An event as its id (``""``: ours, never a duplicate) and its checked JSON."""

MOST_EVENTS: Final = 1_000
MOST_BYTES: Final = 4 * 1024 * 1024
MOST_EVENTS_WAITING: Final = 50_000
MOST_BYTES_WAITING: Final = 256 * 1024 * 1024
_WRITERS: Final = 2  # one packs its batch while the store works on the other's


@dataclass(slots=True, eq=False)
class _Waiting:
    items: Sequence[Item]
    size: int
    done: asyncio.Future[list[str | None]]


class Appender:
    """A bounded queue in front of the log, and its writers.

    Args:
        append: writes events durably and tells a position, or None for a duplicate, for each.
    """

    def __init__(self, append: Callable[[list[Item]], Awaitable[Appended]]) -> None:
        self._append = append
        self._queue: deque[_Waiting] = deque()
        self._events = 0
        self._bytes = 0
        self._wake = asyncio.Event()
        self._closed = False
        self._writers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the writers; needs a running event loop."""
        self._writers = [asyncio.create_task(self._write_on()) for _ in range(_WRITERS)]

    async def close(self) -> None:
        """Write what waits, then end."""
        self._closed = True
        self._wake.set()
        await asyncio.gather(*self._writers)

    async def submit(self, items: Sequence[Item]) -> Appended:
        """Append events in order; return when they are durable.

        Raises:
            Overloaded: too much waits already. StoreFull, StoreUnavailable: as the log.
        """
        positions: list[str | None] = []
        for start in range(0, len(items), MOST_EVENTS):
            positions += await self._enqueue(items[start : start + MOST_EVENTS])
        return Appended(positions)

    async def _enqueue(self, items: Sequence[Item]) -> list[str | None]:
        size = sum(len(body) for _, body in items)
        self._require_room(len(items), size)
        waiting = _Waiting(items, size, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._events += len(items)
        self._bytes += size
        self._wake.set()
        return await waiting.done

    def _require_room(self, events: int, size: int) -> None:
        if self._closed:
            raise Overloaded("this process ends; send again in a moment")
        if self._events + events > MOST_EVENTS_WAITING or self._bytes + size > MOST_BYTES_WAITING:
            raise Overloaded(f"{self._events:,} events wait to be written; send again in a moment")

    async def _write_on(self) -> None:
        while True:
            await self._wake.wait()
            if self._queue:
                await self._write(self._take())
            elif self._closed:
                return
            else:
                self._wake.clear()

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        events = size = 0
        while self._queue and events < MOST_EVENTS and size < MOST_BYTES:
            waiting = self._queue.popleft()
            taken.append(waiting)
            events += len(waiting.items)
            size += waiting.size
        self._events -= events
        self._bytes -= size
        return taken

    async def _write(self, taken: list[_Waiting]) -> None:
        try:
            appended = await self._append([item for waiting in taken for item in waiting.items])
        except Exception as error:  # noqa: BLE001  # each of those who wait gets it
            for waiting in taken:
                _refuse(waiting.done, error)
            return
        at = 0
        for waiting in taken:
            if not waiting.done.done():  # its client may have left
                waiting.done.set_result(appended.positions[at : at + len(waiting.items)])
            at += len(waiting.items)


def _refuse(done: asyncio.Future[list[str | None]], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
