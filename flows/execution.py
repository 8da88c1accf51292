"""Executes a flow in its run: attempts, timeouts, its tasks' end, and the state it ends in.

The way of a run: Running → check the parameters → the function → its tasks end → the last state.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .again import Again
from .boundary import lineage, pass_boundary, require_done
from .context import Here, RunContext, Scope, standing
from .exceptions import (
    EntrypointNotFound,
    Interrupted,
    InvalidParameters,
    NotCompleted,
    ResultNotKept,
    Suspending,
    TimedOut,
)
from .flow_results import Fields, keep_result
from .generating import consumed
from .held import HeldRun
from .hooks import call_hooks
from .journal import Journal
from .logs import run_logger
from .outcomes import ended_by, ended_with, explain
from .parameters import Arguments
from .pausing import leaves
from .results import Kept, ResultFiles
from .runners.opening import OnePool
from .runs import handed_over
from .states import State, StateType, legible
from .stopping import Stop, stoppable
from .structured import lead_structlog
from .timeouts import await_within, call_within

R = TypeVar("R")

if TYPE_CHECKING:
    from .flowdef import Flow

_FINAL: Final = (InvalidParameters, EntrypointNotFound)  # no retry mends these
_GRACE: Final = 3.0  # seconds that interrupted tasks get to clean up

_log = logging.getLogger(__name__)


class Execution:
    """A flow run that this process brings from Pending to its end.

    Args:
        held: the run. journal: writes what it does. files: take large results.
        parent: the run whose code called it.
    """

    def __init__(
        self,
        held: HeldRun,
        journal: Journal,
        files: ResultFiles,
        parent: RunContext | None = None,
    ) -> None:
        self._pool = OnePool()
        self.context = RunContext(held, journal, files, self._pool, parent=parent)
        self._held, self._journal = held, journal
        self._retries = 0

    def begin(self, name: str = "Running", message: str = "") -> bool:
        """Enter Running; False says that the run was cancelled before, or is paused and left."""
        held = self._held
        held.halted, resumed = held.run.state.type is StateType.PAUSED, held.run.resumed
        try:
            pass_boundary(self.context)
            self._journal.transition(held, State(name, message), started=not resumed)
        except Suspending as error:
            left = self._leave(error)
            if left is not None and left.data is not None:  # one that it is a part of is paused
                raise
            return left is None and self.begin(name, message)
        run = held.run
        _log.info("flow run %s of %s is %s", run.name, run.flow, run.state.name)
        if run.attempt > 1 or resumed:
            self._restore()
        return not run.state.ended

    def _restore(self) -> None:
        key = self._journal.store.keys("tasks", self._held.run.id)
        stored = self._journal.execute("HGETALL", key)
        self.context.restored.update({name.decode(): body for name, body in stored.items()})

    def perform(self, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> State:
        """Run the flow's function, as often as it takes; return the state to end in."""
        self.set_up(flow)
        with stoppable(self.context) as stop:
            while True:
                try:
                    return self._attempts(flow, args, kwargs)
                except BaseException as error:  # noqa: BLE001 - recorded here, raised by who asks
                    if (state := self.halted(stop, error)) is not None:
                        return state

    def _attempts(
        self, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> State:
        while True:
            outcome = self._attempt(flow, args, kwargs)
            if isinstance(outcome, State):
                return outcome
            if self.context.stopping.wait(outcome):
                raise Interrupted("terminated")
            if not self.begin("Retrying", self.which(flow)):
                raise Interrupted("stopped between two attempts")

    async def perform_async(
        self, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> State:
        """Do the same for a coroutine function."""
        self.set_up(flow)
        with stoppable(self.context, asyncio.current_task()) as stop:
            while True:
                try:
                    return await self._attempts_async(flow, args, kwargs)
                except BaseException as error:  # noqa: BLE001 - recorded here, raised by who asks
                    if (state := await aside(self.halted, stop, error)) is not None:
                        return state

    async def _attempts_async(
        self, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> State:
        while True:
            outcome = await self._attempt_async(flow, args, kwargs)
            if isinstance(outcome, State):
                return outcome
            await asyncio.sleep(outcome)
            if not await asyncio.to_thread(self.begin, "Retrying", self.which(flow)):
                raise Interrupted("stopped between two attempts")

    def set_up(self, flow: Flow[..., Any]) -> None:
        """Do as the flow's options say."""
        self.context.flow = flow
        lead_structlog()  # the flow's module may have loaded it just now
        self._pool.runner = flow.task_runner
        parent = self.context.parent
        inherited = parent is not None and parent.log_prints
        self.context.log_prints = inherited if flow.log_prints is None else flow.log_prints
        self.context.remembers = flow.retries > 0

    def hook(self, flow: Flow[..., Any] | None) -> None:
        """Call the hooks of the state that the run is in."""
        if flow is not None:
            call_hooks(flow, self._held.run, self._held.run.state)

    def here(self) -> Here:
        """Return where the flow's own code stands, with nothing called from there yet."""
        self.context.again = Again(self._held.run.again)
        return Here(self.context, Scope(), None, self.context.log_prints)

    def _attempt(
        self, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> State | float:
        with standing(self.here()):
            try:
                self.hook(flow)
                checked = self.checked(flow, args, kwargs)
                value = consumed(call_within(flow.timeout_seconds, flow.body, *checked))
                self.drain()
                require_done(self.context)
            except Exception as error:  # noqa: BLE001 - any error of the user's is the flow's
                return self.failed(flow, error)
            return ended_with(value)

    async def _attempt_async(
        self, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> State | float:
        with standing(self.here()):
            try:
                self.hook(flow)
                positional, named = self.checked(flow, args, kwargs)
                value = await await_within(flow.timeout_seconds, flow.body(*positional, **named))
                await asyncio.to_thread(self.drain)
                require_done(self.context)
            except Exception as error:  # noqa: BLE001 - any error of the user's is the flow's
                return await aside(self.failed, flow, error)
            return ended_with(value)

    def checked(
        self, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Arguments:
        """Return the arguments that the flow's function gets."""
        self.context.arguments = flow.checked(args, kwargs)
        return self.context.arguments

    def drain(self) -> None:
        """Wait for the end of all submitted tasks."""
        if self._pool.opened is not None:
            self._pool.opened.drain()

    def failed(self, flow: Flow[..., Any], error: Exception) -> State | float:
        """Return how long to wait before the next attempt, or the state to end in."""
        self._clear_pool(error)
        if self._retries >= flow.retries or isinstance(error, _FINAL):
            run_logger().error("failed: %s", explain(error), exc_info=error)
            return ended_by(error)
        try:
            delay = flow.retry_delay(self._retries)
        except Exception as broken:  # noqa: BLE001 - the user's own function makes the delays
            run_logger().error("no retry: %s", explain(broken), exc_info=broken)
            return ended_by(broken)
        self._retries += 1
        run_logger().warning("failed: %s; %s in %g s", explain(error), self.which(flow), delay)
        return delay

    def _clear_pool(self, error: Exception) -> None:
        pool = self._pool.opened
        if pool is None:
            return
        if isinstance(error, TimedOut):
            pool.abort(_GRACE)
        else:
            pool.drop_waiting()
            pool.drain()

    def which(self, flow: Flow[..., Any]) -> str:
        """Tell which retry it is."""
        return f"retry {self._retries} of {flow.retries}"

    def halted(self, stop: Stop, error: BaseException) -> State | None:
        """Return the state of a run whose code came to a halt; None where it is to begin again."""
        if not isinstance(error, Suspending):
            return self._stopped(stop, error)
        try:
            return self._leave(error)
        except BaseException as other:  # noqa: BLE001 - such as a cancellation meanwhile
            return self._stopped(stop, other)

    def _leave(self, error: Suspending) -> State | None:
        """Let tasks that run come to their end, then leave; None where the run goes on by now.

        A part of a run that is paused gets a state of its own, and what is raised in its caller.
        """
        held = self._held
        held.halted = True  # what waits in the pool comes to its boundary and stops there
        self.drain()
        if error.run_id != self.context.id:
            state = State("Suspended", "the run that it is a part of is paused", data=error)
            self._journal.transition(held, state, lease=False)
            held.left = True
            return state
        if self._journal.leave(held):
            return held.run.state
        held.halted = held.undone = False
        self._restore()
        return None

    def _stopped(self, stop: Stop, error: BaseException) -> State:
        """Interrupt its tasks; tell a cancellation from what else ends a process."""
        stop.disarm()
        self.context.stopping.set()
        if self._pool.opened is not None:
            self._pool.opened.abort(_GRACE)
        if self._is_cancelled():
            return State("Cancelled", "cancelled while it ran", data=self._told(error))
        if self._is_handed_over():
            state = State("AwaitingRetry", "its worker leaves, and another one goes on with it")
            return replace(state, data=self._told(error))
        if self._may_wait_elsewhere() and self._journal.leave(self._held):
            return self._held.run.state
        return State("Crashed", explain(error), data=self._told(error))

    def _is_cancelled(self) -> bool:
        """Tell whether this run is to be cancelled, or one that it is a part of."""
        kinds = (self._journal.refresh(each.held) for each in lineage(self.context))
        return StateType.CANCELLING in kinds

    def _is_handed_over(self) -> bool:
        """Tell whether another worker is to go on with this run, or with the one that it is in."""
        *_, outermost = lineage(self.context)
        return outermost.held.run.handed

    def _may_wait_elsewhere(self) -> bool:
        """Tell whether it is paused: then whoever ends this process, as its worker, ends no run."""
        run = self._held.run
        return run.state.type is StateType.PAUSED and leaves(run)

    def _told(self, error: BaseException) -> BaseException:
        """Return what to raise: a run that called this one goes on, unless it stops as well."""
        around = list(lineage(self.context))[1:]
        stops = any(each.stopping.is_set() for each in around)
        if not around or stops or not isinstance(error, Interrupted):
            return error
        return NotCompleted(f"flow run {self._held.run.name} was stopped")

    def finish(self, flow: Flow[..., Any] | None, state: State) -> State:
        """Record the end, once all that its tasks did is durable; return it."""
        if self._pool.opened is not None:
            self._pool.opened.close()
        if not (self._held.left or self._held.run.state.ended):
            state, result, fields = self._with_result(flow, state)
            last = replace(state, message=legible(state.message))
            fields = fields if last.ended else handed_over(self._held.run)
            self._journal.transition(self._held, last, result=result, more=fields)
            with standing(self.here()):
                self.hook(flow)
        self._journal.release(self._held)
        run = self._held.run
        _log.info("flow run %s is %s %s", run.name, run.state.name, run.state.message)
        return replace(run.state, data=state.data)

    def _with_result(
        self, flow: Flow[..., Any] | None, state: State
    ) -> tuple[State, Kept | None, Fields]:
        if flow is None or not state.completed:
            return state, None, {}
        try:
            return state, *keep_result(flow, self.context, state.data)
        except ResultNotKept as error:
            return ended_by(error), None, {}


async def aside(function: Callable[..., R], *args: Any) -> R:
    """Call what blocks in a thread, to its end even if the coroutine is cancelled meanwhile."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *args))
    while not running.done():
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            if running.cancelled():
                raise
    return running.result()
