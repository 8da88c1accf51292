"""Reads the log: events, how far it is known, and when it was closed to outside senders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from upshot.events.event import Recorded
from upshot.events.log import BATCH, some_recorded
from upshot.events.store import Store

SILENT_MS: Final = 1000
"""Connected or not, who has not said for so long that senders are heard may be stopped."""


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
        wait = ("XREAD", "COUNT", 1, "BLOCK", wait_ms, "STREAMS", keys("log"), cursor)
        *_, subscribers, mark, gaps, clock, entries = await self._store.pipeline(
            [
                *([wait] if wait_ms else []),
                ("PUBSUB", "NUMSUB", keys("intake")),
                ("GET", keys("intake")),
                ("ZCARD", keys("gaps")),
                ("TIME",),
                ("XRANGE", keys("log"), f"({cursor}", "+", "COUNT", limit),
            ]
        )
        now = int(clock[0]) * 1000 + int(clock[1]) // 1000
        # Where no API ever ran, nobody outside could have been kept from sending.
        closed = mark is not None and not (
            _subscribers(subscribers) and now - int(mark) <= SILENT_MS
        )
        events = some_recorded(entries)
        more = len(entries) == limit or len(events) < len(entries)
        return Reading(
            events=events,
            read_until=None if more else now,
            closed_since=int(mark) if closed else None,
            gaps=gaps,
        )

    async def gaps(self) -> list[tuple[int, int]]:
        """Return every span in which the log was closed, in ms."""
        spans = await self._store.execute("ZRANGE", self._keys("gaps"), 0, -1)
        return [(int(start), int(end)) for start, _, end in (s.partition(b"-") for s in spans)]


def _subscribers(answer: list[int] | dict[bytes, int]) -> int:
    return int(next(iter(answer.values()))) if isinstance(answer, dict) else int(answer[1])
