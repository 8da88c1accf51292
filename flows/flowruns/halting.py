"""Tells what becomes of a run whose code came to a halt before its end.

It is left paused, goes on by now, was cancelled, is handed to another worker, or crashed.
"""

from __future__ import annotations

from asyncio import CancelledError
from dataclasses import replace

from ..calls.outcomes import explain
from ..context import RunContext
from ..exceptions import Interrupted, NotCompleted, Suspending
from ..runs.pausing import leaves
from ..runs.transitions import handed_over
from ..states import ENDED, State, StateType
from ..taskruns.identity import recall
from .stopping import Stop


class Halting:
    """The halts of one flow run in this process.

    Args:
        context: the run.
    """

    def __init__(self, context: RunContext) -> None:
        self._context, self._pool = context, context.pool
        self._held, self._journal = context.held, context.journal

    def halted(self, stop: Stop, error: BaseException) -> State | None:
        """Return the state of a run whose code came to a halt; None where it is to begin again."""
        if not isinstance(error, Suspending):
            return self._stopped(stop, error)
        try:
            return self.leave(error)
        except BaseException as other:  # noqa: BLE001 - such as a cancellation meanwhile
            return self._stopped(stop, other)

    def leave(self, error: Suspending) -> State | None:
        """Let tasks that run come to their end, then leave; None where the run goes on by now.

        A part of a run that is paused gets a state of its own, and what is raised in its caller.
        """
        held = self._held
        held.halted = True  # what waits in the pool comes to its boundary and stops there
        self._pool.drain()
        if error.run_id != self._context.id:
            state = State("Suspended", "the run that it is a part of is paused", data=error)
            self._journal.transition(held, state, lease=False)
            held.left = True
            return state
        if self._journal.leave(held):
            return held.run.state
        held.halted = held.unfinished = False
        recall(self._context)
        return None

    def _stopped(self, stop: Stop, error: BaseException) -> State:
        """Interrupt its tasks; tell a cancellation from what else ends a process."""
        stop.disarm()
        why = self._why(error)
        self._context.stopping.set()
        self._pool.abort()
        if self._context.is_cancelled():
            return State("Cancelled", "cancelled while it ran", data=self._told(error))
        if self._is_handed_over():
            state = State("AwaitingRetry", "its worker leaves, and another one goes on with it")
            return replace(state, data=self._told(error))
        if self._may_wait_elsewhere() and self._journal.leave(self._held):
            return self._held.run.state
        return State("Crashed", explain(why), data=self._told(error))

    def _why(self, error: BaseException) -> BaseException:
        """Return what stopped it; a coroutine is told of a termination by its being cancelled."""
        stops = any(each.stopping.is_set() for each in self._context.outward())
        return Interrupted("terminated") if stops and isinstance(error, CancelledError) else error

    def end_parts(self, state: State) -> None:
        """End the runs within a run that was stopped which are still open.

        What stops a run comes between any two lines, also of what begins or ends a part of it.
        """
        if not self._context.stopping.is_set():
            return
        for part in reversed(self._journal.parts_of(self._held)):
            if self._journal.refresh(part) not in ENDED:
                fields = {} if state.ended else handed_over(part.run)
                self._journal.transition(part, state, fields=fields)
            self._journal.release(part)

    def _is_handed_over(self) -> bool:
        """Tell whether another worker is to go on with this run, or with the one that it is in."""
        return self._context.outermost.flow_run.handed

    def _may_wait_elsewhere(self) -> bool:
        """Tell whether it is paused: then whoever ends this process, as its worker, ends no run."""
        run = self._held.run
        return run.state.type is StateType.PAUSED and leaves(run)

    def _told(self, error: BaseException) -> BaseException:
        """Return what to raise: a run that called this one goes on, unless it stops as well."""
        around = list(self._context.outward())[1:]
        stops = any(each.stopping.is_set() for each in around)
        if not around or stops or not isinstance(error, Interrupted):
            return error
        return NotCompleted(f"flow run {self._held.run.name} was stopped")
