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

from .arguments import futures_in, resolve
from .context import Here, Scope, here, standing
from .exceptions import Interrupted, OutsideRun, TimedOut, UpstreamFailed
from .futures import TaskFuture
from .identity import task_run_of
from .logs import run_logger
from .outcomes import ended_by, explain
from .results import INLINE_BYTES, Kept, keep
from .states import State
from .timeouts import call_within, timed_out

if TYPE_CHECKING:
    from .taskdef import Task


class TaskCall:
    """A call that runs once; it is the work that a pool takes.

    Args:
        task: what is called. place: from where.
        args, kwargs: as given; they may hold futures.
        waited: futures that must have ended well before it runs.

    Raises:
        TypeError: the arguments do not fit the task's signature.
    """

    def __init__(
        self,
        task: Task[..., Any],
        place: Here,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        waited: Iterable[TaskFuture[Any]] = (),
    ) -> None:
        self._task, self._run = task, place.run
        self._args, self._kwargs = args, kwargs
        bound = task.signature.bind(args, kwargs)
        inner = [future for value in bound.values() for future in futures_in(value)]
        self._has_futures = bool(inner)
        self.upstream = [*inner, *futures_in(list(waited))] if waited or inner else []
        self.task_run, self._done = task_run_of(task, place, bound)
        self.future: TaskFuture[Any] = TaskFuture(self.task_run.id, self.task_run.name)
        self.is_async = task.is_async
        self._retries = 0
        self._claimed = threading.Lock()
        prints = place.log_prints if task.log_prints is None else task.log_prints
        scope = Scope(self.task_run.id)
        self._place = Here(self._run, scope, self.task_run, prints)
        self.context = copy_context()

    def begin(self) -> None:
        """Record that it waits to run; one that completed before ends at once."""
        earlier = self.task_run.state
        if self._done is not None:
            self.future.settle(self._done)
        elif earlier is None:
            self.task_run.enter(State("Pending"))
        else:
            self.task_run.enter(State("AwaitingRetry", f"was {earlier.name}"))

    def claim(self) -> bool:
        return not self.future.done() and self._claimed.acquire(blocking=False)

    def run(self) -> None:
        """Run it in this thread and settle its future."""
        self.context.run(self._run_here)

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
        if place is None or place.task is None:
            return
        if self.is_async:
            if not self._run.pool().may_block():
                raise OutsideRun("result() would block the loop that runs this task; await it")
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
        with standing(self._place):
            try:
                arguments = self._resolved()
                while True:
                    outcome = self._attempt(*arguments)
                    if isinstance(outcome, State):
                        return outcome
                    if self._run.stopping.wait(outcome):
                        raise Interrupted("the flow run stopped")
            except UpstreamFailed as error:
                return self._end(State("Cancelled", str(error), data=error))
            except BaseException as error:  # noqa: BLE001 - recorded here, raised by who asks
                return self._end(ended_by(error))
            finally:
                self._args, self._kwargs = (), {}

    async def perform_async(self) -> State:
        """Do the same for a coroutine function."""
        with standing(self._place):
            try:
                for future in self.upstream:
                    await future.wait_async()
                arguments = self._resolved()
                while True:
                    outcome = await self._attempt_async(*arguments)
                    if isinstance(outcome, State):
                        return outcome
                    await asyncio.sleep(outcome)
            except UpstreamFailed as error:
                return self._end(State("Cancelled", str(error), data=error))
            except BaseException as error:  # noqa: BLE001 - recorded here, raised by who asks
                return self._end(ended_by(error))
            finally:
                self._args, self._kwargs = (), {}

    def _attempt(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> State | float:
        self._start()
        task = self._task
        try:
            return self._returned(call_within(task.timeout_seconds, task.fn, args, kwargs))
        except Exception as error:  # noqa: BLE001 - any error of the user's is the task's
            return self._failed(error)

    async def _attempt_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> State | float:
        self._start()
        seconds = self._task.timeout_seconds
        try:
            async with asyncio.timeout(seconds) as limit:
                value = await self._task.fn(*args, **kwargs)
        except TimeoutError as error:
            over = seconds is not None and limit.expired()
            return self._failed(timed_out(seconds) if over and seconds is not None else error)
        except Exception as error:  # noqa: BLE001 - any error of the user's is the task's
            return self._failed(error)
        return self._returned(value)

    def _start(self) -> None:
        self.task_run.enter(State("Retrying" if self.task_run.attempt else "Running"))

    def _resolved(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        for future in self.upstream:
            state = future.wait()
            if state is not None and not state.completed:
                cause = state.data if isinstance(state.data, BaseException) else None
                needed = f"task {future.name}, which it needs, is {state.name}"
                raise UpstreamFailed(f"not run: {needed}") from cause
        if not self._has_futures:
            return self._args, self._kwargs
        args = tuple(resolve(value) for value in self._args)
        return args, {name: resolve(value) for name, value in self._kwargs.items()}

    def _returned(self, value: Any) -> State:
        if isinstance(value, State) and value.ended:
            return self._end(value)
        kept, path = self._keep(value)
        state = State("Completed", data=value)
        self.task_run.enter(state, kept, path)
        return state

    def _keep(self, value: Any) -> tuple[Kept | None, str | None]:
        kept = keep(value, self._task.fn)
        if kept is None or len(kept.body) <= INLINE_BYTES:
            return kept, None
        try:
            return kept, self._run.files.write(self._run.id, self.task_run.id, kept.body)
        except OSError as error:
            run_logger().warning("the result of %s is not kept: %s", self.task_run.name, error)
            return None, None

    def _failed(self, error: Exception) -> State | float:
        task = self._task
        if self._retries >= task.retries:
            run_logger().error("failed: %s", explain(error), exc_info=error)
            name = "TimedOut" if type(error) is TimedOut else "Failed"
            return self._end(State(name, explain(error), data=error))
        delay = task.delay(self._retries)
        self._retries += 1
        again = f"retry {self._retries} of {task.retries} in {delay:g} s"
        run_logger().warning("failed: %s; %s", explain(error), again)
        self.task_run.enter(State("AwaitingRetry", f"{explain(error)}; {again}"))
        return delay

    def _end(self, state: State) -> State:
        self.task_run.enter(state)
        return state
