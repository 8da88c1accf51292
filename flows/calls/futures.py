"""Futures: the outcome of a submitted task, now or later; and arguments that hold some."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Generic, NamedTuple, TypeVar

from ..deadline import Deadline
from ..given import FUNCTION, WAIT, maybe, require, wrong
from ..states import State

R = TypeVar("R", covariant=True)
Item = TypeVar("Item")


class TaskFuture(Generic[R]):
    """The outcome of a submitted task.

    Attributes:
        task_run_id: of the task run. name: of the task run. task: the task's name.
    """

    __slots__ = ("_callbacks", "_helper", "_lock", "_state", "name", "task", "task_run_id")

    def __init__(self, task_run_id: str, name: str, task: str = "") -> None:
        self.task_run_id = task_run_id
        self.name = name
        self.task = task
        self._state: State | None = None
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[TaskFuture[R]], Any]] = []
        self._helper: Callable[[], None] | None = None

    @property
    def state(self) -> State:
        """The state that it ended in, or Pending."""
        return self._state or State("Pending")

    def done(self) -> bool:
        return self._state is not None

    def wait(self, timeout: float | None = None) -> State | None:
        """Wait for its end, ``timeout`` seconds at most; return how it ended, or None.

        Raises:
            WrongArgument: that is no number of seconds.
        """
        if timeout is not None:
            require(WAIT, timeout=timeout)
        if self._state is None and timeout is None and self._helper is not None:
            self._helper()
        if self._state is None:
            ended = threading.Event()
            self.add_done_callback(lambda _: ended.set())
            ended.wait(timeout)
        return self._state

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> R:
        """Return what the task returned.

        Args:
            timeout: seconds to wait at most.
            raise_on_failure: False returns the exception of a task that failed.

        Raises:
            TimeoutError: it has not ended.
            Exception: what the task raised.
        """
        state = self.wait(timeout)
        if state is None:
            raise TimeoutError(f"task {self.name} did not end within {timeout} seconds")
        value: R = state.result(raise_on_failure)
        return value

    async def wait_async(self) -> State:
        """Wait for its end in a coroutine, without blocking the event loop."""
        if self._state is None:
            loop, ended = asyncio.get_running_loop(), asyncio.Event()
            self.add_done_callback(lambda _: _wake(loop, ended))
            await ended.wait()
        return self.state

    async def result_async(self) -> R:
        """Do what :meth:`result` does, in a coroutine; ``await future`` does it too."""
        value: R = (await self.wait_async()).result()
        return value

    def __await__(self) -> Generator[Any, None, R]:
        return self.result_async().__await__()

    def add_done_callback(self, callback: Callable[[TaskFuture[R]], Any]) -> None:
        """Call with this future when it has ended, at once if it has; in the thread that ran it."""
        require(FUNCTION, callback=callback)
        with self._lock:
            if self._state is None:
                self._callbacks.append(callback)
                return
        callback(self)

    def settle(self, state: State) -> None:
        """Say how it ended, once."""
        with self._lock:
            if self._state is not None:
                return
            self._state = state
            callbacks, self._callbacks = self._callbacks, []
        self._helper = None
        for callback in callbacks:
            callback(self)

    def help_by(self, helper: Callable[[], None]) -> None:
        """Call this before somebody waits without end: it may run the task where they wait."""
        self._helper = helper


def _wake(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop was closed: nobody waits there any more
        loop.call_soon_threadsafe(ended.set)


class TaskFutureList(list[TaskFuture[Item]]):
    """The futures of a map."""

    def wait(self, timeout: float | None = None) -> None:
        """Wait for the end of all, ``timeout`` seconds at most."""
        wait(self, timeout)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> list[Item]:
        """Return what each returned, in order; see :meth:`TaskFuture.result`."""
        if timeout is not None and wait(self, timeout).not_done:
            raise TimeoutError(f"not all tasks ended within {timeout} seconds")
        return [future.result(raise_on_failure=raise_on_failure) for future in self]


class Waited(NamedTuple, Generic[Item]):
    """The futures that had ended when the wait was over, and those that had not."""

    done: set[TaskFuture[Item]]
    not_done: set[TaskFuture[Item]]


def wait(futures: Iterable[TaskFuture[Item]], timeout: float | None = None) -> Waited[Item]:
    """Wait for the end of all, ``timeout`` seconds at most.

    Raises:
        WrongArgument: these are no futures, or that is no number of seconds.
    """
    waited = _checked(futures, timeout)
    deadline = Deadline(timeout)
    for future in waited:
        future.wait(deadline.left())
    done = {future for future in waited if future.done()}
    return Waited(done, set(waited) - done)


def as_completed(
    futures: Iterable[TaskFuture[R]], timeout: float | None = None
) -> Iterator[TaskFuture[R]]:
    """Yield futures in the order in which they end.

    Raises:
        TimeoutError: some had not ended ``timeout`` seconds after the first was asked for.
        WrongArgument: these are no futures, or that is no number of seconds.
    """
    return _as_completed(_checked(futures, timeout), timeout)


def _as_completed(waited: list[TaskFuture[R]], timeout: float | None) -> Iterator[TaskFuture[R]]:
    ended: SimpleQueue[TaskFuture[R]] = SimpleQueue()
    for future in waited:
        future.add_done_callback(ended.put)
    deadline = Deadline(timeout)
    for number in range(len(waited)):
        try:
            yield ended.get(timeout=deadline.left())
        except Empty:
            left = len(waited) - number
            raise TimeoutError(f"{left} of {len(waited)} tasks did not end in time") from None


def _checked(futures: Any, timeout: float | None) -> list[TaskFuture[Any]]:
    require(maybe(WAIT), timeout=timeout)
    found: list[Any] = list(futures) if isinstance(futures, Iterable) else [None]
    if not all(hasattr(each, "add_done_callback") for each in found):
        raise wrong("futures", futures, "must be a list of futures")
    return found
