"""Ends a process that does not yield when a timeout is over: the kernel does it, whatever runs.

Python's own alarms wait until the interpreter runs Python code. A long call into C may never let
it; a timer of the kernel needs nobody's help. Where the code was is told on stderr.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

_CLOCK_MONOTONIC: Final = 1
_SIGEV_SIGNAL: Final = 0
_EVENT_BYTES: Final = 64
_NANO: Final = 1_000_000_000
_STDERR: Final = 2

GRACE: Final = 5.0
"""Seconds after its timeout that code has to come back to Python."""
OVERDUE: Final = getattr(signal, "SIGRTMAX", signal.SIGKILL) - (sys.platform == "linux")
"""The signal that ends the process; nothing else sends it, and nothing handles it."""


class _Event(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_byte * (_EVENT_BYTES - 16)),
    )


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _Time), ("value", _Time))


@contextmanager
def ended_after(seconds: float) -> Iterator[Callable[[], None]]:
    """Let this process be ended when the block takes longer, unless what is yielded is called.

    Nothing happens where the system has no such timers; Linux has.
    """
    create = getattr(_library(), "timer_create", None)
    if create is None:
        yield lambda: None
        return
    _tell_where()
    timer, event = ctypes.c_void_p(), _Event(None, OVERDUE, _SIGEV_SIGNAL)
    _require(create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)))
    try:
        _set(timer, seconds)
        yield lambda: _set(timer, 0)
    finally:
        _require(_library().timer_delete(timer))


def _set(timer: ctypes.c_void_p, seconds: float) -> None:
    """Let a timer go off after so many seconds; 0 stops it."""
    whole = int(seconds)
    at = _Setting(_Time(0, 0), _Time(whole, int((seconds - whole) * _NANO)))
    _require(_library().timer_settime(timer, 0, ctypes.byref(at), None))


@cache
def _tell_where() -> None:
    """Let the process say where each thread is before the signal ends it: that needs no Python."""
    import faulthandler

    faulthandler.register(OVERDUE, file=_STDERR, all_threads=True, chain=True)


@cache
def _library() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _require(answer: int) -> None:
    if answer != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
