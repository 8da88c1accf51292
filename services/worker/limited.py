"""What becomes of a run that a limit keeps from beginning: it waits, or one is cancelled."""

from __future__ import annotations

from typing import Final

import structlog

from upshot.events.exceptions import LimitReached
from upshot.events.store import Store
from upshot.flows.limits.slots import Wanted, concerned, limit_events
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.runs.registry import Runs
from upshot.flows.states import StateType
from upshot.services.definitions.versions import definition_in

log = structlog.get_logger(__name__)

_IN_LINE: Final = 0


def limit_of(refusal: LimitReached) -> str:
    """Return the name of the limit that keeps a run from beginning."""
    return str(refusal).rpartition(" must wait: ")[2].removesuffix(" is at its limit")


class Limited:
    """Serves runs that met a limit.

    Args:
        store: where limits and runs are.
    """

    def __init__(self, store: Store, runs: Runs) -> None:
        self._store = store
        self._runs = runs

    async def meet(self, run: FlowRun, limit: str) -> bool:
        """Do with a run what its deployment says; tell whether there is room for it after all.

        Args:
            limit: the one that keeps it from beginning.
        """
        if limit != f"deployment:{run.deployment}":
            await self._wait_in_queue(run, limit)
            return False
        strategy = await self._strategy(run) if run.undo is None else "ENQUEUE"  # it ends anyway
        if strategy == "CANCEL_NEW":
            await self._runs.cancel(run.id, f"{run.deployment} is at its limit")
            return False
        if not await self._stand_in_line(run, limit):
            return True
        log.info("run waits for a slot", run=run.id, name=run.name, limit=limit)
        if strategy == "CANCEL_RUNNING":
            await self._make_room(run, limit)
        return False

    async def _wait_in_queue(self, run: FlowRun, limit: str) -> None:
        """Tell that it waits; it keeps its place, and a worker is called when there is room."""
        wanted = Wanted((limit,), priority=run.priority)
        if await self._store.call("wait", run.id, *limit_events(wanted, concerned(run))):
            log.info("run waits in its queue", run=run.id, name=run.name, limit=limit)

    async def _strategy(self, run: FlowRun) -> str:
        key = self._store.keys("docs", "deployment")
        stored = await self._store.execute("HGET", key, run.deployment or "")
        doc = definition_in(stored)
        return str((doc.get("concurrency_limit") or {}).get("collision_strategy", "ENQUEUE"))

    async def _stand_in_line(self, run: FlowRun, limit: str) -> bool:
        """Let it wait its turn; False where it has its slot already."""
        wanted = Wanted((limit,), priority=run.priority)
        answer = await self._store.call(
            "acquire", run.id, "", f"{run.id}/", 1, run.priority, 1, run.pool,
            *limit_events(wanted, concerned(run)), limit,
        )  # fmt: skip
        return bool(answer == _IN_LINE)

    async def _make_room(self, run: FlowRun, limit: str) -> None:
        """Cancel the oldest runs of a deployment, as many as wait and none is going for."""
        held, waiting = await self._store.pipeline(
            [
                ("HKEYS", self._store.keys("slots", limit)),
                ("ZCARD", self._store.keys("line", limit)),
            ]
        )
        holders = await self._runs.many([token.decode().partition("/")[0] for token in held])
        going = [each for each in holders if not _is_leaving(each)]
        needed = waiting - (len(holders) - len(going))
        for oldest in sorted(going, key=lambda each: each.created)[: max(0, needed)]:
            await self._runs.cancel(oldest.id, f"run {run.name} takes its place")


def _is_leaving(run: FlowRun) -> bool:
    return run.state.type is StateType.CANCELLING or run.undo is not None
