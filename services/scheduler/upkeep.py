"""Forgets what is long over, and workers that went without a word."""

from __future__ import annotations

from typing import Any, Final

import structlog
from pydantic_core import from_json

from upshot.events.clock import unix_ms
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.services.worker.presence import worker_event

log = structlog.get_logger(__name__)

_LIMIT: Final = 200
_TRIMMED: Final = 10_000


class Upkeep:
    """What a shard needs now and then.

    Args:
        log_retention_ms: how long events stay.
        run_retention_ms: how long ended runs and firings do.
        letter_retention_ms: how long dead letters do, and ``letters`` how many at most.
        asset_retention_ms: how long assets do of which nothing is said.
        silence_ms: after this long without a word a worker counts as gone.
    """

    def __init__(
        self,
        store: Store,
        *,
        log_retention_ms: int,
        run_retention_ms: int,
        silence_ms: int,
        letter_retention_ms: int = 30 * 86_400_000,
        letters: int = 100_000,
        asset_retention_ms: int = 365 * 86_400_000,
    ) -> None:
        self._store = store
        self._log_retention_ms = log_retention_ms
        self._run_retention_ms = run_retention_ms
        self._silence_ms = silence_ms
        self._letter_retention_ms = letter_retention_ms
        self._letters = letters
        self._asset_retention_ms = asset_retention_ms

    async def trim(self) -> None:
        """Drop old events that everyone has read, some at a time, so that nobody else waits."""
        source, total = Log(self._store), 0
        while (dropped := await source.trim(self._log_retention_ms, _TRIMMED)) > 0:
            total += dropped
        if total:
            log.info("log trimmed", events=total)

    async def forget(self) -> None:
        """Drop what is old, a few at a time: nobody has to wait long."""
        now = await self._now()
        for what in ("runs", "firings"):
            await self._forget(what, now - self._run_retention_ms)
        await self._forget("letters", now - self._letter_retention_ms, self._letters)
        await self._forget("assets", now - self._asset_retention_ms)

    async def _forget(self, what: str, *bounds: int) -> None:
        total = 0
        while (count := int(await self._store.call(f"forget_{what}", *bounds, _LIMIT))) > 0:
            total += count
        if total:
            log.info("forgotten", what=what, count=total)

    async def miss_workers(self) -> None:
        """Report workers that fell silent as offline."""
        now = await self._now()
        stored = await self._store.execute("HGETALL", self._store.keys("workers"))
        for name, record in stored.items():
            body: dict[str, Any] = from_json(record)
            if now - body["seen"] < self._silence_ms:
                continue
            event = worker_event(name.decode(), "offline", body, "it fell silent")
            if await self._store.call("drop_worker", name, record, event.to_json()):
                log.warning("worker gone", worker=name.decode())

    async def _now(self) -> int:
        clock = await self._store.execute("TIME")
        return unix_ms(clock)
