"""Reads the log: events, how far it is known, and when it was closed to outside senders."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from upshot.events.clock import unix_ms
from upshot.events.event import Recorded
from upshot.events.exceptions import EventsError
from upshot.events.log import BATCH, some_recorded
from upshot.events.store import Commands, Store

SILENT_MS: Final = 1000
"""Connected or not, who has not said for so long that senders are heard may be stopped."""

PATIENT_MS: Final = 1000
"""Who waits so long does not wait for a certain moment."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the log.

    Attributes:
        events: what follows the cursor, at most a batch.
        read_until: ms before which every event is read; None when more may follow at once.
        closed_since: ms at which the log closed to outside senders; None while it is open.
        gaps: how many closures are recorded in all.
    """

    events: list[Recorded]
    read_until: int | None
    closed_since: int | None
    gaps: int


class Reader:
    """Reads one shard's log.

    The order of the commands matters: senders are asked for first and the clock before the
    events, so what is said of a moment was true at that moment.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys = store.keys

    async def read(self, cursor: str, limit: int = BATCH, *, wait_ms: int = 0) -> Reading:
        """Return what follows ``cursor`` and what is known with it.

        Args:
            wait_ms: how long the store may wait for an event first, where there is none yet.
        """
        keys = self._keys
        # The rest of the pipeline is carried out when this wakes: no second way there and back.
        # It counts whole milliseconds that have begun: a wait of 4 is over after 5.
        block = max(1, wait_ms - 1)
        wait = ("XREAD", "COUNT", 1, "BLOCK", block, "STREAMS", keys("log"), cursor)
        commands: Commands = [
            *([wait] if wait_ms else []),
            ("PUBSUB", "NUMSUB", keys("intake")),
            ("GET", keys("intake")),
            ("ZCARD", keys("gaps")),
            ("TIME",),
            ("XRANGE", keys("log"), f"({cursor}", "+", "COUNT", limit),
        ]
        answers = await self._answers(commands, wait_ms)
        *_, subscribers, mark, gaps, clock, entries = answers
        now = unix_ms(clock)
        # Where no API ever ran, nobody outside could have been kept from sending.
        closed = mark is not None and not (
            _subscribers(subscribers) and now - int(mark) <= SILENT_MS
        )
        events = some_recorded(entries)
        more = len(entries) == limit or len(events) < len(entries)
        return Reading(
            events=events,
            read_until=None if more else now,
            closed_since=int(mark) if mark is not None and closed else None,
            gaps=gaps,
        )

    async def _answers(self, commands: Commands, wait_ms: int) -> list[Any]:
        """Return the answers to commands of which the first one may wait so long."""
        if not 0 < wait_ms < PATIENT_MS:
            return await self._store.pipeline(commands)
        # The event loop's timers may be early by a millisecond.
        timer = asyncio.get_running_loop().call_later((wait_ms + 1) / 1000, self._nudge)
        try:
            return await self._store.pipeline(commands)
        finally:
            timer.cancel()

    def _nudge(self) -> None:
        """Wake the store: by itself it looks but ten times a second at who waited long enough."""
        self._nudging = asyncio.ensure_future(self._ping())  # or nobody would hold the task

    async def _ping(self) -> None:
        with suppress(EventsError):  # the call that waits meets the same, and tells of it
            await self._store.execute("PING")

    async def gaps(self) -> list[tuple[int, int]]:
        """Return every span in which the log was closed, in ms."""
        spans = await self._store.execute("ZRANGE", self._keys("gaps"), 0, -1)
        return [(int(start), int(end)) for start, _, end in (s.partition(b"-") for s in spans)]


def _subscribers(answer: list[int] | dict[bytes, int]) -> int:
    return int(next(iter(answer.values()))) if isinstance(answer, dict) else int(answer[1])
