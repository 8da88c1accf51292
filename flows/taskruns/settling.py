"""The states of a task run: its attempts begin, and each is tried again or is the end of it.

The way of an end: its assets are checked → its result is kept → the last state → hooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..aside import called
from ..calls.generating import CLOSED
from ..calls.hooks import call_hooks
from ..calls.outcomes import ended_by, explain
from ..context import Here
from ..exceptions import Suspending, TimedOut, UpstreamFailed
from ..logs.capturing import run_logger
from ..states import State
from .checkpoint import Checkpoint

if TYPE_CHECKING:
    from ..data.materializing import Materializing
    from ..definitions.taskdef import Task
    from .taskrun import TaskRun


class Settling:
    """Settles the attempts of one task run.

    Args:
        task: what runs. place: where its function stands. task_run: enters the states.
        checkpoint: takes what it returns. assets: knows these, where it has to do with some.
    """

    __slots__ = ("_assets", "_checkpoint", "_place", "_retries", "_task", "_task_run")

    def __init__(
        self,
        task: Task[..., Any],
        place: Here,
        task_run: TaskRun,
        checkpoint: Checkpoint,
        assets: Materializing | None,
    ) -> None:
        self._task, self._place, self._task_run = task, place, task_run
        self._checkpoint, self._assets = checkpoint, assets
        self._retries = 0

    @property
    def takes_time(self) -> bool:
        """Whether :meth:`checked` may take long: the checks are code of the user's own."""
        return self._assets is not None

    def start(self) -> None:
        """Enter Running, or Retrying from the second time on."""
        state = State("Retrying" if self._task_run.attempt else "Running")
        self._task_run.enter(state)
        if self._assets is not None:
            self._assets.begin()
        call_hooks(self._task, self._task_run, state)

    def checked(self, value: Any) -> State | float:
        """Do as :meth:`returned` once its assets are checked; where that fails, as :meth:`failed`.

        Raises:
            ResultNotKept: see :meth:`returned`.
        """
        if self._assets is not None:
            try:
                self._assets.completed(self._place, value)
            except Exception as error:  # noqa: BLE001 - checks are code of the user's own
                return self.failed(error)
        return self.returned(value)

    def returned(self, value: Any) -> State:
        """Complete it with what the function returned, or end it in the state that it returned.

        Raises:
            ResultNotKept: the result had to be kept, and could not be.
        """
        if isinstance(value, State) and value.ended:
            return self._end(value)
        return self._checkpoint.completed(value)

    def failed(self, error: Exception) -> State | float:
        """Return the seconds until the next attempt, or how it ended."""
        name = "TimedOut" if type(error) is TimedOut else "Failed"
        state = State(name, explain(error), data=error)
        if not self._may_retry(state):
            run_logger().error("failed: %s", explain(error), exc_info=error)
            return self._end(state)
        delay = self._task.retry_delay(self._retries)
        self._retries += 1
        again = f"retry {self._retries} of {self._task.retries} in {delay:g} s"
        run_logger().warning("failed: %s; %s", explain(error), again)
        self._task_run.enter(State("AwaitingRetry", f"{explain(error)}; {again}"))
        return delay

    def _may_retry(self, state: State) -> bool:
        condition = self._task.retry_condition_fn
        if self._retries >= self._task.retries or condition is None:
            return self._retries < self._task.retries
        try:
            return bool(called(condition, self._task, self._task_run, state))
        except Exception as error:  # noqa: BLE001 - it is code of the user's own
            run_logger().error("retry_condition_fn failed: %s", explain(error), exc_info=error)
            return False

    def closed(self) -> State:
        """End it before its last value; it is not kept as done."""
        return self._end(State("Completed", CLOSED))

    def stopped(self, error: BaseException) -> State:
        """End it without an attempt that did; one that its run is paused before is not over."""
        if isinstance(error, Suspending):
            return State("Suspended", data=error)
        if isinstance(error, UpstreamFailed):
            return self._end(State("Cancelled", str(error), data=error))
        return self._end(ended_by(error))

    def _end(self, state: State) -> State:
        self._task_run.enter(state)
        return state

    def tell(self, state: State) -> None:
        """Tell those who want to know how it ended, here or before."""
        self.note(state)
        call_hooks(self._task, self._task_run, state)

    def note(self, state: State) -> None:
        """Note what its assets were made into, or that they were not."""
        if self._assets is not None:
            self._assets.ended(self._place, state)
