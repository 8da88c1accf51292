"""What becomes of an attempt of a task: its result is kept, it is tried again, or it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..calls.hooks import called
from ..calls.outcomes import explain
from ..context import Here
from ..exceptions import TimedOut
from ..logs.capturing import run_logger
from ..states import State
from .checkpoint import Checkpoint

if TYPE_CHECKING:
    from ..definitions.taskdef import Task
    from .taskrun import TaskRun


class Settling:
    """Settles the attempts of one task run.

    Args:
        task: what runs. place: from where it was called. task_run: enters the states.

    Attributes:
        checkpoint: takes what it returns.
    """

    __slots__ = ("_retries", "_task", "_task_run", "checkpoint")

    def __init__(self, task: Task[..., Any], place: Here, task_run: TaskRun) -> None:
        self._task, self._task_run = task, task_run
        self.checkpoint = Checkpoint(task, place, task_run)
        self._retries = 0

    def returned(self, value: Any) -> State:
        """Complete it with what the function returned, or end it in the state that it returned."""
        if isinstance(value, State) and value.ended:
            return self.end(value)
        return self.checkpoint.completed(value)

    def failed(self, error: Exception) -> State | float:
        """Return the seconds until the next attempt, or how it ended."""
        name = "TimedOut" if type(error) is TimedOut else "Failed"
        state = State(name, explain(error), data=error)
        if not self._may_retry(state):
            run_logger().error("failed: %s", explain(error), exc_info=error)
            return self.end(state)
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

    def end(self, state: State) -> State:
        """End it; return the state."""
        self._task_run.enter(state)
        return state
