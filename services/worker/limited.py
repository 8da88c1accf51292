"""What becomes of a run that a limit keeps from beginning: it waits, or one is cancelled."""

from __future__ import annotations

from typing import Any, Final

import structlog
from pydantic_core import from_json

from upshot.events.store import Store
from upshot.flows.limits.slots import Wanted, concerned, limit_events
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.runs.registry import Runs
from upshot.flows.states import StateType

log = structlog.get_logger(__name__)

_IN_LINE: Final = 0


def limits_of(run: FlowRun) -> tuple[str, ...]:
    """Return the names of the limits under which a run begins."""
    deployment = (f"deployment:{run.deployment}",) if run.deployment else ()
    return (*deployment, f"work-pool:{run.pool}")


class Limited:
    """Serves runs that met a limit.

    Args:
        store: where limits and runs are.
    """

    def __init__(self, store: Store, runs: Runs) -> None:
        self._store = store
        self._runs = runs

    async def meet(self, run: FlowRun, reason: str) -> bool:
        """Do with a run what its deployment says; tell whether there is room for it after all.

        Args:
            reason: names the limit that it met.
        """
        of_deployment = run.deployment is not None and f"deployment:{run.deployment} is" in reason
        strategy = await self._strategy(run) if of_deployment else "ENQUEUE"
        if strategy == "CANCEL_NEW":
            await self._runs.cancel(run.id, f"{run.deployment} is at its limit")
            return False
        if not await self._stand_in_line(run):
            return True
        log.info("run waits for a slot", run=run.id, name=run.name, reason=reason)
        if strategy == "CANCEL_RUNNING":
            await self._make_room(run)
        return False

    async def _strategy(self, run: FlowRun) -> str:
        key = self._store.keys("docs", "deployment")
        stored = await self._store.execute("HGET", key, run.deployment or "")
        doc: dict[str, Any] = from_json(stored.partition(b" ")[2]) if stored else {}
        return str((doc.get("concurrency_limit") or {}).get("collision_strategy", "ENQUEUE"))

    async def _stand_in_line(self, run: FlowRun) -> bool:
        """Let it wait its turn; False where it has its slots already."""
        wanted = Wanted(limits_of(run))
        reached, acquired = limit_events(wanted, concerned(run))
        answer = await self._store.call(
            "acquire", run.id, "", f"{run.id}/", 1, 0, 1, run.pool, reached, acquired,
            *wanted.limits,
        )  # fmt: skip
        return bool(answer == _IN_LINE)

    async def _make_room(self, run: FlowRun) -> None:
        """Cancel the oldest run of the deployment that is not to be cancelled already."""
        key = self._store.keys("slots", f"deployment:{run.deployment}")
        tokens = await self._store.execute("HKEYS", key)
        holders = await self._runs.many([token.decode().partition("/")[0] for token in tokens])
        going = [each for each in holders if each.state.type is not StateType.CANCELLING]
        if going:
            oldest = min(going, key=lambda each: each.created)
            await self._runs.cancel(oldest.id, f"run {run.name} takes its place")
