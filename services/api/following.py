"""Follows the logs of runs for many at once: whoever reads slowly heaps nothing up here.

lines behind the place → a piece of some 64 KB → the client took it → the next ones … → the end
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from typing import Any, Final

from upshot.events.log import milliseconds
from upshot.flows.runs.registry import Runs
from upshot.flows.states import ENDED

from ..history.runs import RecordedRuns
from .answers import HEARTBEAT, comment, message

_POLL: Final = 0.5
_LOOK: Final = 2.0
_SHARED: Final = 0.2
"""Seconds for which what one follower was told is told others, too."""
_FIRST: Final = 8
_MOST: Final = 1_000
"""Lines that are read at first, as each may have 16 KB, and at most."""
_PIECE: Final = 64 * 1024
"""Bytes of a piece, about: so much lies here for a client that does not read, and as much again."""

News = Callable[[dict[str, Any]], Awaitable[Any]]
"""Returns what a run waits for, where that is news; else None."""


class Shared:
    """Asks once for all who ask the same at about the same time.

    Args:
        seconds: how long an answer is given.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._asked: dict[Hashable, tuple[float, asyncio.Task[Any]]] = {}

    async def answer(self, key: Hashable, ask: Callable[[], Any]) -> Any:
        """Return what ``ask`` returns, or returned to somebody else."""
        now = time.monotonic()
        found = self._asked.get(key)
        if found is None or now - found[0] > self._seconds:
            self._forget(now)
            found = self._asked[key] = now, asyncio.ensure_future(ask())
        return await asyncio.shield(found[1])

    def _forget(self, now: float) -> None:
        old = [key for key, (at, _) in self._asked.items() if now - at > self._seconds]
        for key in old:
            del self._asked[key]


class Following:
    """Lets clients follow the logs of runs.

    Args:
        stopping: set when the service ends.
    """

    def __init__(self, runs: Runs, recorded: RecordedRuns, stopping: asyncio.Event) -> None:
        self._runs = runs
        self._recorded = recorded
        self._stopping = stopping
        self._shared = Shared(_SHARED)

    async def follow(self, run_id: str, after: str, news: News) -> AsyncIterator[bytes]:
        """Yield log lines as messages, and one named ``end`` with the run once all is said."""
        yield comment("from here on")
        idle, count, over = 0.0, _FIRST, False
        while not self._stopping.is_set():
            # The run is looked at before the lines: then none comes after the end.
            run = await self._shared.answer(run_id, lambda: self._recorded.find(run_id))
            over = run["state"]["type"] in ENDED
            while entries := await self._entries(run_id, after, count, over):
                after, idle = entries[-1][0], 0.0
                piece = b"".join(_line(*entry) for entry in entries)
                entries.clear()  # nothing but the piece waits for the client
                count = max(1, min(_MOST, count * _PIECE // len(piece)))
                yield piece
            if over:
                yield message(run, name="end")
                return
            if idle % _LOOK < _POLL and (told := await news(run)) is not None:
                yield message(told, name="waits")
            await asyncio.sleep(_POLL)
            idle += _POLL
            if idle % HEARTBEAT < _POLL:
                yield comment("alive")

    async def _entries(
        self, run_id: str, after: str, count: int, over: bool
    ) -> list[tuple[str, bytes]]:
        if over:  # what was read for somebody else may be older than the end
            return await self._runs.log_entries(run_id, after, count)
        key = run_id, after, count
        found = await self._shared.answer(key, lambda: self._runs.log_entries(run_id, after, count))
        return list(found)


def _line(position: str, body: bytes) -> bytes:
    """Return the message of a log line; its JSON is passed on as it is."""
    head = f'id: {position}\ndata: {{"position":"{position}","time":{milliseconds(position)},'
    return head.encode() + body[1:] + b"\n\n"
