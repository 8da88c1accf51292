"""A pool whose tasks' functions run in other processes; all else about them happens here."""

from __future__ import annotations

from typing import Any

from ..calls.futures import TaskFuture
from .pools import LoopPool
from .work import Elsewhere, LoopThread, Work


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
