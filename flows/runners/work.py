"""Work that pools take, and the event loop on which they run the part that is coroutines."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..aside import loop_here
from ..calls.futures import TaskFuture

if TYPE_CHECKING:
    from ..context import Here
    from ..definitions.taskdef import Task

_LAST_SECONDS: Final = 10.0


class Elsewhere(Protocol):
    """Runs functions of tasks in other processes."""

    async def call(
        self, task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], place: Here
    ) -> Any:
        """Return what the function returns, or raise what it raises."""

    async def close(self) -> None:
        """Let go of the processes."""


class Work(Protocol):
    """A submitted task, as a pool sees it.

    Attributes:
        future: settled by whoever runs it. is_async: whether ``run_async`` runs it.
        elsewhere: what runs the task's function, when ``run_async`` is to have it run elsewhere.
        variables: those of the context that it sees.
    """

    future: TaskFuture[Any]
    is_async: bool
    elsewhere: Elsewhere | None
    variables: Context

    def claim(self) -> bool:
        """Tell the first who asks, and nobody else, to run it."""
        ...

    def run(self) -> None:
        """Run it in this thread."""

    def run_async(self) -> Coroutine[Any, Any, None]:
        """Run it on this event loop."""
        ...

    def drop(self) -> None:
        """End it without running it."""


class LoopThread:
    """An event loop in a daemon thread, started when the first coroutine comes.

    Args:
        limit: how many coroutines run at a time; None for any number.
        loop: one that runs already, and is used instead of a thread.
    """

    def __init__(self, limit: int | None, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._borrowed = loop
        self._loop: asyncio.AbstractEventLoop | None = loop
        self._slots = asyncio.Semaphore(limit) if limit else None
        self._tasks: set[asyncio.Task[None]] = set()
        self._lock = threading.Lock()

    def submit(self, work: Work) -> None:
        with self._lock:
            if self._loop is None:
                self._loop = self._started()
        self._loop.call_soon_threadsafe(self._begin, work)

    def _started(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        threading.Thread(target=_serve, args=(loop,), daemon=True, name="upshot-async").start()
        return loop

    def _begin(self, work: Work) -> None:
        if self._loop is not None and not work.future.done():
            task = self._loop.create_task(self._run(work), context=work.variables)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, work: Work) -> None:
        if self._slots is None:
            await self._claimed(work)
            return
        async with self._slots:
            await self._claimed(work)

    @staticmethod
    async def _claimed(work: Work) -> None:
        if work.claim():
            await work.run_async()

    def is_here(self) -> bool:
        return self._loop is not None and loop_here() is self._loop

    def cancel(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._tasks])

    def close(self, last: Coroutine[Any, Any, None] | None = None) -> None:
        """Stop it, after a last thing that it does."""
        if self._loop is not None and self._borrowed is None:
            if last is not None:
                asyncio.run_coroutine_threadsafe(last, self._loop).result(_LAST_SECONDS)
            self._loop.call_soon_threadsafe(self._loop.stop)
        elif last is not None:
            last.close()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()
