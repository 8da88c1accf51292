"""Runs tasks in threads, and those that are coroutines on an event loop; the default."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Any, Final

from ..aside import loop_here
from ..calls.futures import TaskFuture
from ..calls.interrupting import end_children, raise_in
from ..exceptions import Interrupted
from .base import LimitedRunner, Pool
from .pools import LoopPool
from .work import LoopThread, Work

DEFAULT_WORKERS: Final = 16


class ThreadPoolTaskRunner(LimitedRunner):
    """Runs submitted functions in threads, and submitted coroutines on one event loop.

    Args:
        max_workers: how many run at a time; by default 16 threads, and coroutines without limit.
    """

    def open(self) -> Pool:
        return ThreadPool(self.max_workers or DEFAULT_WORKERS, LoopThread(self.max_workers))


ConcurrentTaskRunner = ThreadPoolTaskRunner  # as users of Prefect may know it


class AsyncioTaskRunner(LimitedRunner):
    """Runs submitted coroutines on the event loop of the flow itself, where that has one.

    So they can share what belongs to that loop, such as HTTP clients. Functions run in threads.

    Args:
        max_workers: how many run at a time; by default 16 threads, and coroutines without limit.
    """

    def open(self) -> Pool:
        loop = LoopThread(self.max_workers, loop_here())
        return ThreadPool(self.max_workers or DEFAULT_WORKERS, loop)


class ThreadPool(LoopPool):
    """Daemon threads that start when they are needed: a stuck one does not keep the process.

    Args:
        threads: most threads. loop: runs the coroutines.
    """

    def __init__(self, threads: int, loop: LoopThread) -> None:
        super().__init__(loop)
        self._most = threads
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._counting = threading.Lock()
        self._running: dict[int, Work] = {}
        self._threads = 0
        self._idle = 0

    def submit(self, work: Work, upstream: list[TaskFuture[Any]]) -> None:
        self._work.add(work, upstream, self._start)

    def _start(self, work: Work) -> None:
        if work.is_async:
            self._loop.submit(work)
            return
        self._queue.put(work)
        with self._counting:
            if self._idle < self._queue.qsize() and self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._serve, daemon=True, name="upshot-task").start()

    def _serve(self) -> None:
        working = True
        while working:
            try:
                working = self._serve_once()
            except Interrupted:  # meant for a task that had ended by then
                continue

    def _serve_once(self) -> bool:
        """Run the next task; False says that there will be none."""
        work = self._next()
        if work is None:
            return False
        if work.claim():
            me = threading.get_ident()
            self._running[me] = work
            try:
                work.run()
            finally:
                del self._running[me]
        return True

    def _next(self) -> Work | None:
        with self._counting:
            self._idle += 1
        try:
            return self._queue.get()
        finally:
            with self._counting:
                self._idle -= 1

    def _interrupt(self) -> None:
        for thread in list(self._running):
            raise_in(thread, Interrupted)
        super()._interrupt()

    def _insist(self) -> None:
        for thread in list(self._running):
            end_children(thread)

    def close(self) -> None:
        for _ in range(self._threads):
            self._queue.put(None)
        self._loop.close()
