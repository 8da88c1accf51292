"""Says of runs that nobody takes that they are Late, so that automations can tell people."""

from __future__ import annotations

from typing import Final

import structlog

from upshot.events.exceptions import NotFound
from upshot.events.store import Store
from upshot.flows.runs.registry import Runs
from upshot.flows.runs.transitions import late_arguments

log = structlog.get_logger(__name__)

_AT_ONCE: Final = 100
_PAUSE: Final = 1.0


class Late:
    """Looks for runs that are due and wait for a worker for too long.

    Args:
        after_ms: how long is too long.
    """

    def __init__(self, store: Store, after_ms: int) -> None:
        self._store, self._runs, self._after_ms = store, Runs(store), after_ms

    async def mark(self) -> float:
        """Mark some of them; return in how many seconds to look again."""
        before = await self._runs.now() - self._after_ms
        key = self._store.keys("on-time")
        found = await self._store.execute(
            "ZRANGE", key, "-inf", before, "BYSCORE", "LIMIT", 0, _AT_ONCE
        )
        for run_id in found:
            await self._mark(run_id.decode())
        return 0.0 if len(found) == _AT_ONCE else _PAUSE

    async def _mark(self, run_id: str) -> None:
        """Mark one, unless its state says more: that it waits for a retry, say."""
        try:
            run = await self._runs.get(run_id)
        except NotFound:
            run = None
        if run is None or run.state.name != "Scheduled":
            await self._store.execute("ZREM", self._store.keys("on-time"), run_id)
        elif await self._store.call("mark_late", *late_arguments(run)):
            log.info("run is late", run=run.id, name=run.name, pool=run.pool)
