"""Takes a waiting run: from an entry in the pool's queue to a run that is Pending and ours.

Which run an entry is for is decided when it is taken: see ``events/functions/queues.lua``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

import structlog

from upshot.events.exceptions import (
    Conflict,
    EventsError,
    IllegalTransition,
    LimitReached,
    NotFound,
)
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun, parse_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State, StateType

from .limited import Limited, limit_of
from .pool import Pool, ask_for_pool, pool_of

log = structlog.get_logger(__name__)

AGAIN_SECONDS: Final = 5.0
"""How long a run that could not be started waits, so that its state says why for a while."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An entry of a queue: its position, and the run that waited when it was made."""

    entry: str
    run_id: str


class Claims:
    """Claims of one worker on the runs of its pool.

    Args:
        worker: name that the Pending state tells.
    """

    def __init__(self, store: Store, runs: Runs, pool: str, worker: str) -> None:
        self._store = store
        self._runs = runs
        self._pool = pool
        self._worker = worker
        self._limited = Limited(store, runs)

    async def claim(self, waiting: Waiting) -> tuple[FlowRun, Pool] | None:
        """Make a run Pending for this worker, and tell how its pool is defined now.

        None says that there is no run to be had. Settle the entry then.

        Raises:
            StoreUnavailable: it is not known; the entry stays and comes again.
        """
        keys = self._store.keys
        named, pool = await self._store.pipeline(
            [("HGETALL", keys("run", waiting.run_id)), ask_for_pool(keys, self._pool)]
        )
        run = await self._take(parse_run(named) if named else None, waiting)
        return None if run is None else (run, pool_of(pool))

    async def _take(self, named: FlowRun | None, waiting: Waiting) -> FlowRun | None:
        """Take the run that an entry names, which mostly is the next one, or the one that is."""
        if named is None or not _waits(named):
            picked = await self._store.call("pick", self._pool, waiting.entry, waiting.run_id)
            return await self._take_picked(picked, waiting.entry)
        run, picked = await self._runs.take_next(named, self._taken(), waiting.entry)
        return run or await self._take_picked(picked, waiting.entry)

    async def _take_picked(self, picked: list[Any], entry: str) -> FlowRun | None:
        """Take the run that was picked for an entry, unless a limit keeps it from beginning."""
        if not picked:  # what waits may not begin now; when it may, a worker is called again
            return None
        _, due, told, limit = picked
        if not told or due:  # forgotten; or an old entry of one that waits for later
            return None
        fields = dict(zip(told[::2], told[1::2], strict=True))
        run = parse_run(fields)
        if not _waits(run):
            return None
        try:
            if limit and not await self._limited.meet(run, limit.decode()):
                return None
            return await self._pending(run, entry)
        except (Conflict, IllegalTransition, NotFound):
            return None  # somebody else was faster

    async def settle(self, waiting: Waiting) -> None:
        """Take the entry away that no run was taken for."""
        try:
            await self._store.call("finish_entry", self._pool, waiting.entry)
        except EventsError as error:  # the sweep gives it to somebody, who drops it
            log.warning("entry not settled", entry=waiting.entry, reason=str(error))

    async def _pending(self, run: FlowRun, entry: str) -> FlowRun | None:
        """Make a run Pending, and take its entry away; unless a limit keeps it from beginning."""
        try:
            return await self._runs.take(run, self._taken(), entry)
        except LimitReached as error:
            there_is_room = await self._limited.meet(run, limit_of(error))
        return await self._pending(run, entry) if there_is_room else None

    def _taken(self) -> State:
        return State("Pending", f"taken by worker {self._worker}")

    async def give_back(self, run: FlowRun, reason: str) -> None:
        """Put a run that could not be started back, for another try a little later."""
        state = State("Scheduled", f"worker {self._worker} could not start it: {reason}")
        due = int((time.time() + AGAIN_SECONDS) * 1000)
        await self._runs.transition(run, state, own=True, due_ms=due)


def _waits(run: FlowRun) -> bool:
    return run.state.type is StateType.SCHEDULED
