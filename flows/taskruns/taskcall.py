"""One call of a task within a flow run, from its arguments to its end.

The way of a call: arguments → task run (Pending) → upstream → Running → the function → its end.
A task that completed in an earlier attempt of the flow run is not run again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from ..calls.futures import TaskFuture
from ..calls.generating import consumed
from ..calls.outcomes import ended_by
from ..calls.timeouts import await_within, call_within
from ..context import Here, Scope, here, standing
from ..data.lineage import lineage_of
from ..exceptions import Interrupted, OutsideRun
from ..limits.concurrency import tagged, tagged_async
from ..states import State
from ..waiting.boundary import pass_boundary, pass_boundary_async
from .checkpoint import Checkpoint
from .identity import task_run_of
from .needs import Needs
from .settling import Settling

if TYPE_CHECKING:
    from ..data.materializing import Materializing
    from ..definitions.taskdef import Task
    from ..runners.work import Elsewhere


class TaskCall:
    """A call that runs once; it is the work that a pool takes.

    Args:
        task: what is called. place: from where.
        args, kwargs: as given; they may hold futures.
        waited: futures that must have ended, as the task's trigger rule says, before it runs.

    Raises:
        TypeError: the arguments do not fit the task's signature.
    """

    def __init__(
        self,
        task: Task[..., Any],
        place: Here,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        waited: Iterable[Any] = (),
    ) -> None:
        self.task, self._context = task, place.context
        bound = task.signature.bind(args, kwargs)
        self.needs = Needs(args, kwargs, bound, waited, task.trigger_rule)
        self.upstream = self.needs.futures
        self.task_run, self._done = task_run_of(task, place, bound)
        if self.upstream:
            self.task_run.come_after({future.task for future in self.upstream})
        self.future: TaskFuture[Any] = TaskFuture(self.task_run.id, self.task_run.name, task.name)
        self.is_async = task.is_async
        self.elsewhere: Elsewhere | None = None
        self._checkpoint = Checkpoint(task, place, self.task_run)
        self._claimed = threading.Lock()
        assets = self._materializing(bound)
        self.place = Here(
            self._context,
            Scope(self.task_run.id),
            self.task_run,
            log_prints=place.log_prints if task.log_prints is None else task.log_prints,
            parameters=bound,
            transaction=self._checkpoint.transaction,
            described=assets.told if assets is not None and task.assets else None,
            called=task,
        )
        self.settling = Settling(task, self.place, self.task_run, self._checkpoint, assets)
        self.variables = copy_context()

    def _materializing(self, bound: dict[str, Any]) -> Materializing | None:
        task = self.task
        if not (task.assets or task.asset_deps) and lineage_of(self._context) is None:
            return None
        from ..data.materializing import Materializing

        return Materializing(task, self._context, self.task_run, bound.values(), self.upstream)

    def begin(self) -> None:
        """Record that it waits to run; one that completed before ends at once."""
        earlier = self.task_run.state
        if self._done is not None:
            self._checkpoint.restored(self._done)
            self.settling.note(self._done)
            self.future.settle(self._done)
        elif earlier is None:
            self.task_run.enter(State("Pending", self.task_run.why))
        else:
            self.task_run.enter(State("AwaitingRetry", f"was {earlier.name}"))

    def claim(self) -> bool:
        return not self.future.done() and self._claimed.acquire(blocking=False)

    def run(self) -> None:
        """Run it in this thread and settle its future."""
        self.variables.run(self._run_here)

    def _run_here(self) -> None:
        self.future.settle(self.perform())

    async def run_async(self) -> None:
        """Run it on this event loop and settle its future."""
        self.future.settle(await self.perform_async())

    def help(self) -> None:
        """Run it here when another task waits for it, so that nested waits can't use up a pool.

        Raises:
            OutsideRun: this thread's event loop would run it, and must not be blocked.
        """
        place = here()
        if place is None:
            return
        if self.is_async and not self._context.pool.may_block():
            raise OutsideRun("result() would block the loop that runs this task; await it")
        if self.is_async or self.elsewhere is not None or place.task is None:
            return
        for future in self.upstream:
            future.wait()
        if self.claim():
            self.run()

    def drop(self) -> None:
        """End it without running it, or without waiting for it any longer."""
        state = ended_by(Interrupted("the flow run stopped"))
        self.task_run.close(state)
        self.future.settle(state)

    def perform(self) -> State:
        """Run the function, as often as it takes; return how it ended."""
        with standing(self.place):
            try:
                state = self._performed()
            except BaseException as error:  # noqa: BLE001 - recorded here, raised by who asks
                state = self.settling.stopped(error)
            finally:
                self.needs.forget()
                self._checkpoint.close()
            self.settling.tell(state)
            return state

    def _performed(self) -> State:
        args, kwargs = self.needs.ready()
        if self._checkpoint.is_sought and (found := self._found(args, kwargs)) is not None:
            return found
        while True:
            with tagged(self._context, self.task_run.tags):
                pass_boundary(self._context)
                outcome = self._attempt(args, kwargs)
            if isinstance(outcome, State):
                return outcome
            self.pause(outcome)

    async def perform_async(self) -> State:
        """Do the same for a coroutine function."""
        with standing(self.place):
            try:
                state = await self._performed_async()
            except BaseException as error:  # noqa: BLE001 - recorded here, raised by who asks
                state = self.settling.stopped(error)
            finally:
                self.needs.forget()
                await self._close_async()
            self.settling.tell(state)
            return state

    async def _performed_async(self) -> State:
        for future in self.upstream:
            await future.wait_async()
        args, kwargs = self.needs.ready()
        if self._checkpoint.is_sought:
            found = await self._found_async(args, kwargs)
            if found is not None:
                return found
        while True:
            async with tagged_async(self._context, self.task_run.tags):
                await pass_boundary_async(self._context)
                outcome = await self._attempt_async(args, kwargs)
            if isinstance(outcome, State):
                return outcome
            await asyncio.sleep(outcome)

    def _found(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> State | None:
        while isinstance(found := self._checkpoint.found(args, kwargs), float | int):
            self.pause(found)  # somebody else computes it
        return found

    async def _found_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> State | None:
        while True:
            found = await asyncio.to_thread(self._checkpoint.found, args, kwargs)
            if not isinstance(found, float | int):
                return found
            await asyncio.sleep(found)

    async def _close_async(self) -> None:
        if self._checkpoint.is_sought:
            await asyncio.to_thread(self._checkpoint.close)

    def _attempt(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> State | float:
        self.settling.start()
        task = self.task
        try:
            value = consumed(call_within(task.timeout_seconds, task.body, args, kwargs))
        except Exception as error:  # noqa: BLE001 - any error of the user's is the task's
            return self.settling.failed(error)
        return self.settling.checked(value)

    async def _attempt_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> State | float:
        self.settling.start()
        task = self.task
        try:
            if self.elsewhere is not None:
                value = await self.elsewhere.call(task, args, kwargs, self.place)
            else:
                value = await await_within(task.timeout_seconds, task.body(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - any error of the user's is the task's
            return self.settling.failed(error)
        if self.settling.takes_time:
            return await asyncio.to_thread(self.settling.checked, value)
        return self.settling.checked(value)

    def pause(self, seconds: float) -> None:
        """Wait for the next attempt; Interrupted if the flow run stops meanwhile."""
        if self._context.stopping.wait(seconds):
            raise Interrupted("the flow run stopped")
