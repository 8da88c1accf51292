"""Ends runs that were silent for a lease, once silence can be told from an outage."""

from __future__ import annotations

import time
from typing import Any, Final

import structlog

from upshot.events.store import Store
from upshot.flows.runs.registry import Runs
from upshot.services.endings import Loss, settle

log = structlog.get_logger(__name__)

MESSAGE: Final = "its process has shown no sign of life for a lease"


class Watchman:
    """Knows whether silence means anything yet: after an outage everyone gets a lease to speak.

    The store may have been away, this whole machine asleep, or the store's clock, by which leases
    end, set forward; all look alike for runs that are well, and none is a reason to end them.

    Args:
        lease: seconds.
    """

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._last: float | None = None
        self._clock = 0.0
        self._since = float("-inf")

    def may_judge(self, now: float, store_uptime: float, store_clock: float) -> bool:
        """Tell whether a lease has passed without an interruption.

        Args:
            now: seconds on a clock of this process that nobody sets.
            store_uptime: seconds since the store started. store_clock: its Unix time, in seconds.
        """
        if self._last is not None:
            passed = now - self._last
            if max(passed, store_clock - self._clock) > self._lease / 2:
                self._since = now
        self._last, self._clock = now, store_clock
        return store_uptime > self._lease and now - self._since > self._lease


class Lapsed:
    """Looks for runs whose process is gone without anybody having seen it go."""

    def __init__(self, store: Store, lease_ms: int) -> None:
        self._store = store
        self._runs = Runs(store, lease_ms=lease_ms)
        self._watchman = Watchman(lease_ms / 1000)

    async def look(self) -> None:
        """End each run whose lease has lapsed, or give it back to its queue."""
        uptime = await store_uptime(self._store)
        seconds, microseconds = await self._store.execute("TIME")
        clock = int(seconds) + int(microseconds) / 1e6
        if not self._watchman.may_judge(time.monotonic(), uptime, clock):
            return
        for run in await self._runs.lapsed():
            args = (self._store, self._runs, run.id, run.epoch, Loss.LAPSED, MESSAGE)
            ended = await settle(*args)
            if ended is not None:
                log.warning("lease lapsed", run=run.id, name=run.name, state=ended.state.name)


async def store_uptime(store: Store) -> float:
    """Return for how many whole seconds the store's server has been running."""
    answer: Any = await store.execute("INFO", "server")
    text = answer.decode() if isinstance(answer, bytes) else str(answer)
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == "uptime_in_seconds":
            return float(value)
    return float("inf")
