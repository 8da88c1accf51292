"""Timeouts: of functions by an alarm in the main thread or a helper thread, and of coroutines."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from ..context import here
from ..exceptions import Interrupted, TimedOut
from .interrupting import children_of, end_children, raise_in

_HEEDS_SECONDS: Final = 0.5
"""How long a thread that was interrupted has to see to the processes that it started."""


class _TimeIsOver(Interrupted):
    """Raised into the function; not an Exception, so that its own handlers let it pass."""


def call_within(
    seconds: float | None,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Any:
    """Call a function and return what it returns, unless that takes too long.

    In the main thread the function is interrupted, whatever it does. In other threads Python can
    not do that: the caller goes on when the time is over, and the function is interrupted as soon
    as it runs Python code again. Where even that does not help, as a call into C holds the
    interpreter, the process is ended: that of a run which a worker started, and a program that was
    started by hand. A session in which a person works, and a server's thread, wait for the call.

    Args:
        seconds: how long it may take; None for as long as it wants.

    Raises:
        TimedOut: the time is over.
    """
    if seconds is None:
        return function(*args, **kwargs)
    with _yielding(seconds) as yielded:
        if _has_alarm():
            return _with_alarm(seconds, function, args, kwargs, yielded)
        return _with_thread(seconds, function, args, kwargs)


async def await_within(seconds: float | None, coroutine: Awaitable[Any]) -> Any:
    """Do the same for a coroutine, which is cancelled when the time is over."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            with _yielding(seconds) as yielded:
                if seconds is not None:
                    asyncio.get_running_loop().call_later(seconds, yielded)
                return await coroutine
    except TimeoutError:
        if seconds is not None and limit.expired():
            raise timed_out(seconds) from None
        raise


def timed_out(seconds: float) -> TimedOut:
    """Return the error of what took longer than its timeout."""
    return TimedOut(f"took longer than {seconds:g} seconds")


def _has_alarm() -> bool:
    in_main = threading.current_thread() is threading.main_thread()
    return in_main and signal.getitimer(signal.ITIMER_REAL)[0] == 0


@contextmanager
def _yielding(seconds: float | None) -> Iterator[Callable[[], None]]:
    """Have a process that is there for its run ended, if code does not yield when its time is over.

    What is given says that it does; also the end of the block.
    """
    place = here()
    if seconds is None or place is None or not place.context.owns_process:
        yield lambda: None
        return
    from .overdue import GRACE, ended_after

    with ended_after(seconds + GRACE) as disarm:
        armed = [disarm]

        def yielded() -> None:
            if armed:
                armed.pop()()

        try:
            yield yielded
        finally:
            armed.clear()


def _with_alarm(
    seconds: float,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    yielded: Callable[[], None],
) -> Any:
    mine = _TimeIsOver("its time was over")

    def over(_signal: int, _frame: FrameType | None) -> None:
        yielded()
        raise mine

    before = signal.signal(signal.SIGALRM, over)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            return function(*args, **kwargs)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _TimeIsOver as error:
        if error is mine:
            raise timed_out(seconds) from None
        raise
    finally:
        signal.signal(signal.SIGALRM, before)


def _with_thread(
    seconds: float, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Any:
    outcome: list[tuple[bool, Any]] = []

    def work() -> None:
        try:
            outcome.append((True, function(*args, **kwargs)))
        except _TimeIsOver:
            return
        except BaseException as error:  # noqa: BLE001 - it is raised again where it was called
            outcome.append((False, error))

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work,), daemon=True, name="upshot-timed")
    thread.start()
    try:
        thread.join(seconds)
    finally:
        if not outcome and thread.ident is not None:
            raise_in(thread.ident, _TimeIsOver)
            _end_what_it_waits_for(thread, thread.ident)
    if not outcome:
        raise timed_out(seconds)
    succeeded, value = outcome[0]
    if succeeded:
        return value
    raise value


def _end_what_it_waits_for(thread: threading.Thread, ident: int) -> None:
    """End the processes of a function that is late, unless it sees to them itself at once."""
    if children_of(ident):
        thread.join(_HEEDS_SECONDS)
        end_children(ident)
