"""Has open transactions undone of runs that ended without, and that nobody retried in time."""

from __future__ import annotations

import structlog

from upshot.events.exceptions import Conflict, IllegalTransition
from upshot.events.store import Store
from upshot.flows.runs.registry import Runs
from upshot.flows.runs.undoing import given_up

log = structlog.get_logger(__name__)


class Unfinished:
    """The runs of a shard that have open transactions.

    Args:
        grace_ms: how long a crashed run waits for somebody to retry it.
    """

    def __init__(self, store: Store, lease_ms: int, grace_ms: int) -> None:
        self._store = store
        self._runs = Runs(store, lease_ms=lease_ms)
        self._grace_ms = grace_ms

    async def look(self) -> None:
        """Send those that are over to a worker that undoes them."""
        now = await self._runs.now()
        for run in await self._runs.owing():
            if run.state.completed:
                await self._leave_open(run.id)
            change = given_up(run, now, self._grace_ms)
            if change is None:
                continue
            try:
                await self._runs.transition(run, change.state, own=False, fields=change.fields)
            except (Conflict, IllegalTransition):
                continue  # somebody retried it in this moment
            log.info("to be undone", run=run.id, name=run.name, was=run.state.name)

    async def _leave_open(self, run_id: str) -> None:
        """Look no more after a run that completed though it never came to a block's end."""
        keys = self._store.keys
        await self._store.pipeline([("DEL", keys("open", run_id)), ("SREM", keys("open"), run_id)])
