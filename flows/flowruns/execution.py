"""Executes a flow in its run: attempts, timeouts, its tasks' end, and the state it ends in.

The way of a run: Running → check the parameters → the function → its tasks end → the last state.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..again import Again
from ..aside import aside
from ..calls.generating import consumed
from ..calls.hooks import call_hooks
from ..calls.outcomes import ended_by, ended_with
from ..calls.parameters import Arguments
from ..calls.timeouts import await_within, call_within
from ..context import Here, RunContext, Scope, standing
from ..exceptions import Interrupted, ResultNotKept, Suspending
from ..journal.held import HeldRun
from ..journal.journal import Journal
from ..logs.structured import lead_structlog
from ..results.formats import Kept, ResultFiles
from ..results.of_flows import Fields, keep_result
from ..runners.opening import OnePool
from ..runs.transitions import handed_over
from ..states import State, StateType, legible
from ..waiting.boundary import pass_boundary, require_done
from ..waiting.turns import Turns
from .halting import Halting
from .retrying import Retrying
from .stopping import stoppable

if TYPE_CHECKING:
    from ..definitions.flowdef import Flow

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
        self.halting = Halting(self.context, self._pool)
        self.retrying = Retrying(self._pool)

    def begin(self, name: str = "Running", message: str = "") -> bool:
        """Enter Running; False says that the run was cancelled before, or is paused and left."""
        held = self._held
        held.halted, resumed = held.run.state.type is StateType.PAUSED, held.run.resumed
        try:
            pass_boundary(self.context)
            self._journal.transition(held, State(name, message), started=not resumed)
        except Suspending as error:
            left = self.halting.leave(error)
            if left is not None and left.data is not None:  # one that it is a part of is paused
                raise
            return left is None and self.begin(name, message)
        run = held.run
        _log.info("flow run %s of %s is %s", run.name, run.flow, run.state.name)
        if run.attempt > 1 or resumed:
            self.halting.restore()
        return not run.state.ended

    def perform(self, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> State:
        """Run the flow's function, as often as it takes; return the state to end in."""
        self.set_up(flow)
        with stoppable(self.context) as stop:
            while True:
                try:
                    return self._attempts(flow, args, kwargs)
                except BaseException as error:  # noqa: BLE001 - recorded here, raised by who asks
                    if (state := self.halting.halted(stop, error)) is not None:
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
            if not self.begin("Retrying", self.retrying.which(flow)):
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
                    if (state := await aside(self.halting.halted, stop, error)) is not None:
                        return state

    async def _attempts_async(
        self, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> State:
        while True:
            outcome = await self._attempt_async(flow, args, kwargs)
            if isinstance(outcome, State):
                return outcome
            await asyncio.sleep(outcome)
            if not await asyncio.to_thread(self.begin, "Retrying", self.retrying.which(flow)):
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
        self.context.turns = Turns()
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
                return self.retrying.failed(flow, error)
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
                return await aside(self.retrying.failed, flow, error)
            return ended_with(value)

    def checked(
        self, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Arguments:
        """Return the arguments that the flow's function gets."""
        self.context.arguments = flow.checked(args, kwargs)
        return self.context.arguments

    def drain(self) -> None:
        """Wait for the end of all submitted tasks."""
        self._pool.drain()

    def finish(self, flow: Flow[..., Any] | None, state: State) -> State:
        """Record the end, once all that its tasks did is durable; return it."""
        if self._pool.opened is not None:
            self._pool.opened.close()
        if not (self._held.left or self._held.run.state.ended):
            state, result, fields = self._with_result(flow, state)
            last = replace(state, message=legible(state.message))
            fields = fields if last.ended else handed_over(self._held.run)
            self.halting.end_parts(last)
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
