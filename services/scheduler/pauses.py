"""Ends pauses: of runs that nobody resumed in time, and of parts of runs that have ended."""

from __future__ import annotations

from typing import Final

import structlog

from upshot.events.exceptions import Conflict, IllegalTransition
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.runs.registry import Runs
from upshot.flows.runs.undoing import ending
from upshot.flows.states import State, StateType
from upshot.services.endings import end_tasks

log = structlog.get_logger(__name__)

_LIMIT: Final = 200


def overdue(run: FlowRun, now_ms: int, *, occupied: bool, grace_ms: int) -> State | None:
    """Return the state of a run that nobody resumed in time; None where it may wait on.

    Args:
        occupied: it has a process, which sees to it itself, unless it is stuck.
        grace_ms: how long the process has for that.
    """
    pause = run.pause
    if run.state.type is not StateType.PAUSED or pause is None or pause.until is None:
        return None
    # The log tells whether an event came in time; who reads it sees to that.
    if pause.awaits is not None or now_ms < pause.until + (grace_ms if occupied else 0):
        return None
    return State("Failed", "FlowPauseTimeout: nobody resumed the flow run in time")


class Pauses:
    """The paused runs of a shard."""

    def __init__(self, store: Store, lease_ms: int) -> None:
        self._store = store
        self._lease_ms = lease_ms
        self._runs = Runs(store, lease_ms=lease_ms)

    async def expire(self) -> None:
        """Fail each run that nobody resumed in time."""
        now = await self._runs.now()
        key = self._store.keys("pauses")
        ids = await self._store.execute("ZRANGEBYSCORE", key, "-inf", now, "LIMIT", 0, _LIMIT)
        for run in await self._runs.many([run_id.decode() for run_id in ids]):
            lease = await self._store.execute("ZSCORE", self._store.keys("leases"), run.id)
            occupied = lease is not None
            state = overdue(run, now, occupied=occupied, grace_ms=self._lease_ms)
            if state is not None:
                await self._end(run, state)

    async def end_parts(self) -> None:
        """Cancel paused parts of runs that have ended: nobody would go on with them."""
        ids = await self._store.execute("ZRANGE", self._store.keys("runs", "Paused"), 0, -1)
        paused = await self._runs.many([run_id.decode() for run_id in ids])
        parts = [run for run in paused if run.parent and run.state.name == "Suspended"]
        wholes = await self._runs.many(sorted({run.parent or "" for run in parts}))
        ended = {run.id for run in wholes if run.state.ended}
        for part in parts:
            if part.parent in ended:
                await self._end(part, State("Cancelled", "the run that it is a part of has ended"))

    async def _end(self, run: FlowRun, state: State) -> None:
        change = ending(run, state, owes=await self._runs.owes(run.id))
        try:
            ended = await self._runs.transition(run, change.state, own=False, fields=change.fields)
        except (Conflict, IllegalTransition):
            return  # it went on in this moment
        if ended.state.ended:
            await end_tasks(self._store, ended)
        log.info("pause ended", run=run.id, name=run.name, state=state.name)
