"""What every task runner does: it makes a pool, which runs the tasks of one flow run."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from ..calls.futures import TaskFuture
from ..given import maybe, require, whole
from .work import Work


class Pool(Protocol):
    """What runs the tasks that one flow run submits."""

    def submit(self, work: Work, upstream: list[TaskFuture[Any]]) -> None:
        """Run it as soon as the upstream futures have ended."""

    def may_block(self) -> bool:
        """Tell whether this thread may wait for a task without keeping it from running."""
        ...

    def drain(self) -> None:
        """Return when all that was submitted has ended."""

    def drop_waiting(self) -> None:
        """End what has not begun without running it."""

    def abort(self, grace: float) -> None:
        """Drop what waits, interrupt what runs, and return after ``grace`` seconds at most."""

    def close(self) -> None:
        """Let go of what runs tasks; what still runs is not waited for."""


@runtime_checkable
class TaskRunner(Protocol):
    """Makes a pool for each run of a flow; given to ``@flow(task_runner=…)``."""

    def open(self) -> Pool:
        """Return a new pool."""
        ...


class LimitedRunner:
    """What task runners share that run so many tasks at a time.

    Args:
        max_workers: how many; None leaves it to the runner.

    Raises:
        WrongArgument: that is no such number.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        require(maybe(whole(1)), max_workers=max_workers)
        self.max_workers = max_workers
