"""How a run is stopped from outside: SIGTERM, or the journal that learns of a cancellation."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from ..calls.interrupting import raise_in
from ..context import RunContext
from ..exceptions import Interrupted

_HEEDS_SECONDS: Final = 1.0
"""How long an event loop may be deaf to a cancellation before what keeps it is interrupted."""


class Stop:
    """Stops one flow run, once, where its code runs.

    Args:
        context: the run. task: what its coroutine runs in, for a coroutine function.
    """

    def __init__(self, context: RunContext, task: asyncio.Task[object] | None = None) -> None:
        self._context = context
        self._task = task
        self._loop = asyncio.get_running_loop() if task is not None else None
        self._thread = threading.get_ident()
        self._armed = True
        self._insists, self._heeded = False, threading.Event()
        context.held.on_cancelling = self.request

    def disarm(self) -> None:
        """Let nothing stop it any more: it has ended and is only being recorded."""
        self._armed = False
        self._context.held.on_cancelling = None

    def request(self) -> None:
        """Stop it, from any thread."""
        in_main = self._thread == threading.main_thread().ident
        if self._task is None and in_main and _handles_signals(self):
            signal.pthread_kill(self._thread, signal.SIGTERM)  # wakes it from what blocks, too
        elif self._begin():
            self._deliver()

    def on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        """Handle SIGTERM: raise in the code that was interrupted, or cancel its coroutine.

        A coroutine that keeps its event loop from cancelling it is raised in as well.
        """
        if self._begin():
            if self._task is None:
                raise Interrupted("terminated")
            self._deliver()
        elif self._insists and not self._heeded.is_set():
            self._heeded.set()
            raise Interrupted("terminated")

    def _begin(self) -> bool:
        if not self._armed or self._context.stopping.is_set():
            return False
        self._context.stopping.set()
        return True

    def _deliver(self) -> None:
        if self._task is None or self._loop is None:
            raise_in(self._thread, Interrupted)
        else:
            self._loop.call_soon_threadsafe(self._cancel)
            insisting = threading.Timer(_HEEDS_SECONDS, self._insist)
            insisting.daemon = True
            insisting.start()

    def _cancel(self) -> None:
        self._heeded.set()
        if self._task is not None:
            self._task.cancel()

    def _insist(self) -> None:
        """Interrupt what keeps the event loop, such as a call that blocks, by another signal."""
        if self._armed and not self._heeded.is_set() and _handles_signals(self):
            self._insists = True
            signal.pthread_kill(self._thread, signal.SIGTERM)


def _handles_signals(stop: Stop) -> bool:
    return signal.getsignal(signal.SIGTERM) == stop.on_signal


@contextmanager
def stoppable(context: RunContext, task: asyncio.Task[object] | None = None) -> Iterator[Stop]:
    """Let a run be stopped while its code runs; an outermost one in the main thread by SIGTERM."""
    stop = Stop(context, task)
    in_main = threading.current_thread() is threading.main_thread()
    if context.parent is not None or not in_main or _is_taken():
        try:
            yield stop
        finally:
            stop.disarm()
        return
    before = signal.signal(signal.SIGTERM, stop.on_signal)
    try:
        yield stop
    finally:
        stop.disarm()
        if not (context.stopping.is_set() and context.flow_run.pool):
            signal.signal(signal.SIGTERM, before)


@contextmanager
def deaf_at_the_end() -> Iterator[None]:
    """Let a run in the block that is stopped come to its end, whoever else asks it to stop.

    It is recorded, and its hooks are called, when its code has stopped; what its worker sends
    meanwhile would end the process. Afterwards signals do what they did before.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        with suppress(ValueError):  # of a thread that is not the main one
            signal.signal(signal.SIGTERM, before)


def _is_taken() -> bool:
    """Tell whether the program handles SIGTERM itself; then that is its business."""
    return signal.getsignal(signal.SIGTERM) not in {signal.SIG_DFL, signal.SIG_IGN}
