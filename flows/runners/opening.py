"""The pool of a flow run, opened when the first task is submitted."""

from __future__ import annotations

import threading
from typing import Any, Final

from ..calls.futures import TaskFuture
from .base import Pool, TaskRunner
from .threads import ThreadPoolTaskRunner
from .work import Work

_GRACE: Final = 3.0  # seconds that interrupted tasks get to clean up


class RunPool:
    """The pool of one flow run.

    Attributes:
        runner: opens it; threads by default.
    """

    def __init__(self) -> None:
        self.runner: TaskRunner | None = None
        self._opened: Pool | None = None
        self._lock = threading.Lock()

    def submit(self, work: Work, upstream: list[TaskFuture[Any]]) -> None:
        with self._lock:
            if self._opened is None:
                self._opened = (self.runner or ThreadPoolTaskRunner()).open()
        self._opened.submit(work, upstream)

    def may_block(self) -> bool:
        return self._opened is None or self._opened.may_block()

    def drain(self) -> None:
        if self._opened is not None:
            self._opened.drain()

    def drop_waiting(self) -> None:
        if self._opened is not None:
            self._opened.drop_waiting()

    def abort(self, grace: float = _GRACE) -> None:
        if self._opened is not None:
            self._opened.abort(grace)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
