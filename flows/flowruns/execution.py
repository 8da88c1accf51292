"""A flow run in this process, from Pending to its end; in between it goes through its attempts."""

from __future__ import annotations

import logging
from dataclasses import replace

from ..again import Again
from ..calls.hooks import call_hooks
from ..calls.outcomes import ended_by
from ..context import Here, RunContext, Scope, standing
from ..exceptions import ResultNotKept, Suspending
from ..journal.held import HeldRun
from ..journal.journal import Journal
from ..results.formats import Kept, ResultFiles
from ..results.of_flows import Fields, keep_result
from ..runners.opening import RunPool
from ..runs.transitions import handed_over
from ..states import State, StateType, legible
from ..taskruns.identity import recall
from ..waiting.boundary import pass_boundary
from ..waiting.turns import Turns
from .halting import Halting

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
        self.context = RunContext(held, journal, files, RunPool(), parent=parent)
        self.halting = Halting(self.context)
        self._held, self._journal = held, journal

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
            recall(self.context)
        return not run.state.ended

    def here(self) -> Here:
        """Return where the flow's own code stands, with nothing called from there yet."""
        self.context.again = Again(self._held.run.again)
        self.context.turns = Turns()
        return Here(self.context, Scope(), log_prints=self.context.log_prints)

    def hook(self) -> None:
        """Call the flow's hooks of the state that the run is in."""
        if self.context.flow is not None:
            call_hooks(self.context.flow, self._held.run, self._held.run.state)

    def finish(self, state: State) -> State:
        """Record the end, once all that its tasks did is durable; return it."""
        self.context.pool.close()
        if not (self._held.left or self._held.run.state.ended):
            state, result, fields = self._with_result(state)
            last = replace(state, message=legible(state.message))
            fields = fields if last.ended else handed_over(self._held.run)
            self.halting.end_parts(last)
            self._journal.transition(self._held, last, result=result, fields=fields)
            with standing(self.here()):
                self.hook()
        self._journal.release(self._held)
        run = self._held.run
        _log.info("flow run %s is %s %s", run.name, run.state.name, run.state.message)
        return replace(run.state, data=state.data)

    def _with_result(self, state: State) -> tuple[State, Kept | None, Fields]:
        flow = self.context.flow
        if flow is None or not state.completed:
            return state, None, {}
        try:
            return state, *keep_result(flow, self.context, state.data)
        except ResultNotKept as error:
            return ended_by(error), None, {}
