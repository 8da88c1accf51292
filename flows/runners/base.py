"""What every task runner does, and what all their pools share: the work that has not ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from ..calls.futures import TaskFuture
from .work import Work


class Pool(Protocol):
    """What runs the tasks that one flow run submits."""

    def submit(self, work: Work, upstream: list[TaskFuture[Any]]) -> None:
        """Run it as soon as the upstream futures have ended."""

    def may_block(self) -> bool:
        """Tell whether this thread may wait for a task without keeping it from running."""

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


class OpenWork:
    """The work that a pool was given and that has not ended."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open: set[Work] = set()

    def add(
        self, work: Work, upstream: list[TaskFuture[Any]], start: Callable[[Work], None]
    ) -> None:
        """Count it, and start it as soon as the upstream futures have ended."""
        with self._changed:
            self._open.add(work)
        work.future.add_done_callback(lambda _: self._ended(work))
        waited = [future for future in upstream if not future.done()]
        if waited:
            _after(waited, lambda: start(work))
        else:
            start(work)

    def _ended(self, work: Work) -> None:
        with self._changed:
            self._open.discard(work)
            if not self._open:
                self._changed.notify_all()

    def wait(self, seconds: float | None = None) -> None:
        """Return when there is none any more, or after some time."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open, seconds)

    def drop_waiting(self) -> None:
        """End what has not begun without running it."""
        for work in self._all():
            if work.claim():
                work.drop()

    def drop(self) -> None:
        """End all of it, whether it has begun or not."""
        for work in self._all():
            work.drop()

    def _all(self) -> list[Work]:
        with self._changed:
            return list(self._open)


def _after(futures: list[TaskFuture[Any]], then: Callable[[], None]) -> None:
    """Call ``then`` once, when the last of the futures has ended."""
    left = len(futures)
    lock = threading.Lock()

    def ended(_: TaskFuture[Any]) -> None:
        nonlocal left
        with lock:
            left -= 1
            last = left == 0
        if last:
            then()

    for future in futures:
        future.add_done_callback(ended)


def check_workers(max_workers: object) -> None:
    """Refuse a number of workers that could run nothing."""
    if max_workers is not None and (not isinstance(max_workers, int) or max_workers < 1):
        raise ValueError("max_workers: must be at least 1")
