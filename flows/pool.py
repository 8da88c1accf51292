"""Task runners: where submitted tasks run. Threads for functions, an event loop for coroutines."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final, Protocol, runtime_checkable

from .exceptions import Interrupted
from .futures import TaskFuture
from .work import LoopThread, Work

DEFAULT_WORKERS: Final = 16


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
        """Let go of the threads; what still runs is not waited for."""


@runtime_checkable
class TaskRunner(Protocol):
    """Makes a pool for each run of a flow; given to ``@flow(task_runner=…)``."""

    def open(self) -> Pool:
        """Return a new pool."""


class ThreadPoolTaskRunner:
    """Runs submitted functions in threads, and submitted coroutines on one event loop.

    Args:
        max_workers: how many run at a time; by default 16 threads, and coroutines without limit.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        if max_workers is not None and max_workers < 1:
            raise ValueError("max_workers: must be at least 1")
        self.max_workers = max_workers

    def open(self) -> Pool:
        return ThreadPool(self.max_workers or DEFAULT_WORKERS, self.max_workers)


class ThreadPool:
    """Daemon threads that start when they are needed: a stuck one does not keep the process.

    Args:
        threads: most threads. coroutines: most coroutines at a time, None for any number.
    """

    def __init__(self, threads: int, coroutines: int | None) -> None:
        self._most = threads
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._changed = threading.Condition()
        self._open: set[Work] = set()
        self._running: dict[int, Work] = {}
        self._threads = 0
        self._idle = 0
        self._loop = LoopThread(coroutines)

    def submit(self, work: Work, upstream: list[TaskFuture[Any]]) -> None:
        with self._changed:
            self._open.add(work)
        work.future.add_done_callback(lambda: self._ended(work))
        waited = [future for future in upstream if not future.done()]
        if waited:
            _after(waited, lambda: self._start(work))
        else:
            self._start(work)

    def _start(self, work: Work) -> None:
        if work.is_async:
            self._loop.submit(work)
            return
        self._queue.put(work)
        with self._changed:
            if self._idle < self._queue.qsize() and self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._work, daemon=True, name="upshot-task").start()

    def _work(self) -> None:
        working = True
        while working:
            try:
                working = self._work_once()
            except Interrupted:  # meant for a task that had ended by then
                continue

    def _work_once(self) -> bool:
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
        with self._changed:
            self._idle += 1
        try:
            return self._queue.get()
        finally:
            with self._changed:
                self._idle -= 1

    def _ended(self, work: Work) -> None:
        with self._changed:
            self._open.discard(work)
            if not self._open:
                self._changed.notify_all()

    def may_block(self) -> bool:
        return not self._loop.is_here()

    def drain(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._open)

    def drop_waiting(self) -> None:
        with self._changed:
            waiting = list(self._open)
        for work in waiting:
            if work.claim():
                work.drop()

    def abort(self, grace: float) -> None:
        self.drop_waiting()
        for thread in list(self._running):
            raise_in(thread, Interrupted)
        self._loop.cancel()
        with self._changed:
            self._changed.wait_for(lambda: not self._open, grace)
            left = list(self._open)
        for work in left:
            work.drop()

    def close(self) -> None:
        for _ in range(self._threads):
            self._queue.put(None)
        self._loop.close()


def _after(futures: list[TaskFuture[Any]], then: Callable[[], None]) -> None:
    """Call ``then`` once, when the last of the futures has ended."""
    left = len(futures)
    lock = threading.Lock()

    def ended() -> None:
        nonlocal left
        with lock:
            left -= 1
            last = left == 0
        if last:
            then()

    for future in futures:
        future.add_done_callback(ended)


def raise_in(thread: int, kind: type[BaseException]) -> None:
    """Raise in another thread as soon as it runs Python code; a blocking call goes on till then."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind))
