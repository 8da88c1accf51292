"""Pools that lead tasks on an event loop, and what all pools share: the work that has not ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ..calls.futures import TaskFuture
from .work import Elsewhere, LoopThread, Work


class LoopPool:
    """A pool that runs coroutines on one event loop; what else it does is up to its kind.

    Args:
        loop: runs the coroutines.
    """

    def __init__(self, loop: LoopThread) -> None:
        self._loop = loop
        self._work = OpenWork()

    def may_block(self) -> bool:
        return not self._loop.is_here()

    def drain(self) -> None:
        self._work.wait()

    def drop_waiting(self) -> None:
        self._work.drop_waiting()

    def abort(self, grace: float) -> None:
        self._work.drop_waiting()
        self._interrupt()
        self._work.wait(grace / 3)
        self._insist()
        self._work.wait(grace * 2 / 3)
        self._work.drop()

    def _interrupt(self) -> None:
        """Interrupt what runs."""
        self._loop.cancel()

    def _insist(self) -> None:
        """End what keeps those from heeding that were interrupted, as far as that is possible."""


class ElsewherePool(LoopPool):
    """Leads tasks through their states on one event loop, and has their functions run elsewhere.

    Args:
        elsewhere: runs the functions. limit: how many at a time; None for any number.
    """

    def __init__(self, elsewhere: Elsewhere, limit: int | None) -> None:
        super().__init__(LoopThread(limit))
        self._elsewhere = elsewhere

    def submit(self, work: Work, upstream: list[TaskFuture[Any]]) -> None:
        work.elsewhere = self._elsewhere
        self._work.add(work, upstream, self._loop.submit)

    def close(self) -> None:
        self._loop.close(self._elsewhere.close())


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
