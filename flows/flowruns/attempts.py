"""The attempts of a flow's function within its run, until one of them is the end.

The way of an attempt: hooks → check the parameters → the function → its tasks end → the state that
the run ends in, or how long to wait before the next attempt.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from ..aside import aside
from ..calls.generating import consumed
from ..calls.outcomes import ended_by, ended_with, explain
from ..calls.parameters import Arguments
from ..calls.timeouts import await_within, call_within
from ..context import standing
from ..exceptions import EntrypointNotFound, Interrupted, InvalidParameters, TimedOut
from ..logs.capturing import run_logger
from ..logs.structured import lead_structlog
from ..states import State
from ..waiting.boundary import require_done
from .execution import Execution
from .stopping import stoppable

if TYPE_CHECKING:
    from ..definitions.flowdef import Flow

_FINAL: Final = (InvalidParameters, EntrypointNotFound)  # no retry mends these


class Attempts:
    """The attempts of one flow run in this process.

    Args:
        execution: the run, which has begun. flow, args, kwargs: what is called.

    Attributes:
        retries: how many there were.
    """

    def __init__(
        self,
        execution: Execution,
        flow: Flow[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self.execution, self.flow, self._given = execution, flow, (args, kwargs)
        self.context = execution.context
        self.retries = 0
        self._set_up()

    def _set_up(self) -> None:
        """Do as the flow's options say."""
        self.context.flow = self.flow
        lead_structlog()  # the flow's module may have loaded it just now
        self.context.pool.runner = self.flow.task_runner
        parent = self.context.parent
        inherited = parent is not None and parent.log_prints
        self.context.log_prints = (
            inherited if self.flow.log_prints is None else self.flow.log_prints
        )
        self.context.remembers = self.flow.retries > 0

    def perform(self) -> State:
        """Run the flow's function, as often as it takes; return the state to end in."""
        with stoppable(self.context) as stop:
            while True:
                try:
                    return self._performed()
                except BaseException as error:  # noqa: BLE001 - recorded here, raised by who asks
                    if (state := self.execution.halting.halted(stop, error)) is not None:
                        return state

    def _performed(self) -> State:
        while True:
            outcome = self._attempt()
            if isinstance(outcome, State):
                return outcome
            self.pause(outcome)
            self.begin_again()

    def _attempt(self) -> State | float:
        with standing(self.execution.here()):
            try:
                self.execution.hook()
                value = consumed(
                    call_within(self.flow.timeout_seconds, self.flow.body, *self.arguments())
                )
                self.context.pool.drain()
                require_done(self.context)
            except Exception as error:  # noqa: BLE001 - any error of the user's is the flow's
                return self.failed(error)
            return ended_with(value)

    async def perform_async(self) -> State:
        """Do the same for a coroutine function."""
        with stoppable(self.context, asyncio.current_task()) as stop:
            while True:
                try:
                    return await self._performed_async()
                except BaseException as error:  # noqa: BLE001 - recorded here, raised by who asks
                    halted = self.execution.halting.halted
                    if (state := await aside(halted, stop, error)) is not None:
                        return state

    async def _performed_async(self) -> State:
        while True:
            outcome = await self._attempt_async()
            if isinstance(outcome, State):
                return outcome
            await asyncio.sleep(outcome)
            await asyncio.to_thread(self.begin_again)

    async def _attempt_async(self) -> State | float:
        with standing(self.execution.here()):
            try:
                self.execution.hook()
                args, kwargs = self.arguments()
                value = await await_within(
                    self.flow.timeout_seconds, self.flow.body(*args, **kwargs)
                )
                await asyncio.to_thread(self.context.pool.drain)
                require_done(self.context)
            except Exception as error:  # noqa: BLE001 - any error of the user's is the flow's
                return await aside(self.failed, error)
            return ended_with(value)

    def arguments(self) -> Arguments:
        """Return the arguments that the function gets, checked."""
        self.context.arguments = self.flow.checked(*self._given)
        return self.context.arguments

    def failed(self, error: Exception) -> State | float:
        """Return how long to wait before the next attempt, or the state to end in."""
        self._clear_pool(error)
        if self.retries >= self.flow.retries or isinstance(error, _FINAL):
            run_logger().error("failed: %s", explain(error), exc_info=error)
            return ended_by(error)
        try:
            delay = self.flow.retry_delay(self.retries)
        except Exception as broken:  # noqa: BLE001 - the user's own function makes the delays
            run_logger().error("no retry: %s", explain(broken), exc_info=broken)
            return ended_by(broken)
        self.retries += 1
        run_logger().warning("failed: %s; %s in %g s", explain(error), self._which(), delay)
        return delay

    def _clear_pool(self, error: Exception) -> None:
        """Have the tasks of this attempt out of the way of the next one."""
        if isinstance(error, TimedOut):
            self.context.pool.abort()
        else:
            self.context.pool.drop_waiting()
            self.context.pool.drain()

    def pause(self, seconds: float) -> None:
        """Wait for the next attempt; Interrupted where the run is to stop meanwhile."""
        if self.context.stopping.wait(seconds):
            raise Interrupted("terminated")

    def begin_again(self) -> None:
        """Begin the next attempt; Interrupted where the run does not go on."""
        if not self.execution.begin("Retrying", self._which()):
            raise Interrupted("stopped between two attempts")

    def _which(self) -> str:
        return f"retry {self.retries} of {self.flow.retries}"
