"""The outcome of a run that another process executes, and the way to the store that knows it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from pydantic_core import from_json

from upshot.events.exceptions import NotFound

from ..context import here
from ..exceptions import Interrupted, MissingResult
from ..given import RUN_ID, WAIT, maybe, require
from ..joining.runs import read_run
from ..joining.store import service_store_here
from ..results.formats import Kept, restore
from ..runs.flowrun import FlowRun
from ..states import State
from ..waiting.boundary import pass_boundary
from .parts import cancelled_together

if TYPE_CHECKING:
    from uuid import UUID

    from ..definitions.taskdef import Task

R = TypeVar("R", covariant=True)

HOUR: Final = 3600.0
_SHORTEST_POLL: Final = 0.02
_LONGEST_POLL: Final = 0.5


class RunFuture(Generic[R]):
    """The outcome of a run that another process executes.

    Args:
        run: as it was created. task: whose result it has; None for a flow's.
    """

    def __init__(self, run: FlowRun, task: Task[..., R] | None = None) -> None:
        self._run, self._task = run, task
        self._store = service_store_here()

    @property
    def flow_run_id(self) -> str:
        return self._run.id

    @property
    def task_run_id(self) -> str:
        """The same, of a task in the background: it has a run of its own."""
        return self._run.id

    @property
    def state(self) -> State:
        """The state it is in."""
        return self.refresh().state

    def refresh(self) -> FlowRun:
        """Return the run as it is now."""
        if not self._run.state.ended:
            self._run = read_run(self._store, self._run.id) or self._run
        return self._run

    def done(self) -> bool:
        return self.state.ended

    def wait(self, timeout: float | None = None) -> State | None:
        """Wait for its end, ``timeout`` seconds at most; return how it ended, or None.

        When the run whose code waits is cancelled, this one is, if it is a part of that.
        """
        require(maybe(WAIT), timeout=timeout)
        with cancelled_together(self._run):
            return self._waited(timeout)

    def _waited(self, timeout: float | None) -> State | None:
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = _SHORTEST_POLL
        while not self.done():
            left = pause if deadline is None else min(pause, deadline - time.monotonic())
            if left <= 0:
                return None
            _sleep(left)
            pause = min(pause * 1.5, _LONGEST_POLL)
        return self._run.state

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> R:
        """Return what it returned.

        Raises:
            TimeoutError: it has not ended.
            NotCompleted: it did not complete. MissingResult: it did, but its result is not kept.
        """
        state = self.wait(timeout)
        if state is None:
            raise TimeoutError(f"run {self._run.name} did not end within {timeout} seconds")
        data = self._kept() if state.completed else None
        value: R = replace(state, data=data).result(raise_on_failure)
        return value

    def _kept(self) -> Any:
        key = self._store.keys("run", self._run.id)
        body, form = self._store.execute("HMGET", key, "result", "checkpoint")
        if body is None or form is None:
            raise MissingResult(f"the result of run {self._run.name} is not kept")
        if self._task is None:
            return from_json(body)
        return restore(Kept(form.decode(), body), self._task.fn)

    async def result_async(self) -> R:
        """Do what :meth:`result` does, in a coroutine; ``await future`` does it too."""
        return await asyncio.to_thread(self.result)

    def __await__(self) -> Generator[Any, None, R]:
        return self.result_async().__await__()


async def wait_for_flow_run(
    flow_run_id: str | UUID, timeout: float | None = 3 * HOUR, poll_interval: float | None = None
) -> FlowRun:
    """Wait for the end of any flow run, and return the run as it then is.

    Args:
        timeout: seconds to wait; None for ever.
        poll_interval: without effect; for code written for Prefect.

    Raises:
        NotFound: no run has this id. TimeoutError: it has not ended.
        WrongArgument: naming one that is none.
        StoreUnavailable: no service runs here.
    """
    del poll_interval
    require(RUN_ID, flow_run_id=flow_run_id)
    require(maybe(WAIT), timeout=timeout)
    return await asyncio.to_thread(_ended, str(flow_run_id), timeout)


def _ended(run_id: str, timeout: float | None) -> FlowRun:
    run = read_run(service_store_here(), run_id)
    if run is None:
        raise NotFound(f"no run has the id {run_id!r}")
    future: RunFuture[Any] = RunFuture(run)
    if future.wait(timeout) is None:
        raise TimeoutError(f"run {run.name} did not end within {timeout} seconds")
    return future.refresh()


def _sleep(seconds: float) -> None:
    """Sleep; leave the run that waits, if it is paused or to stop."""
    place = here()
    if place is None:
        time.sleep(seconds)
        return
    pass_boundary(place.context)
    if place.context.stopping.wait(seconds):
        raise Interrupted("the flow run stopped")
