"""A pool whose tasks' functions run in other processes; all else about them happens here."""

from __future__ import annotations

from typing import Any

from ..calls.futures import TaskFuture
from .base import OpenWork
from .work import Elsewhere, LoopThread, Work


class ElsewherePool:
    """Leads tasks through their states on one event loop, and has their functions run elsewhere.

    Args:
        elsewhere: runs the functions. limit: how many at a time; None for any number.
    """

    def __init__(self, elsewhere: Elsewhere, limit: int | None) -> None:
        self._elsewhere = elsewhere
        self._work = OpenWork()
        self._loop = LoopThread(limit)

    def submit(self, work: Work, upstream: list[TaskFuture[Any]]) -> None:
        work.elsewhere = self._elsewhere
        self._work.add(work, upstream, self._loop.submit)

    def may_block(self) -> bool:
        return not self._loop.is_here()

    def drain(self) -> None:
        self._work.wait()

    def drop_waiting(self) -> None:
        self._work.drop_waiting()

    def abort(self, grace: float) -> None:
        self._work.drop_waiting()
        self._loop.cancel()
        self._work.wait(grace)
        self._work.drop()

    def close(self) -> None:
        self._loop.close(self._elsewhere.close())
