"""Interrupts other threads, and what these wait for."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path


def raise_in(thread: int, kind: type[BaseException]) -> None:
    """Raise in another thread as soon as it runs Python code; a blocking call goes on till then."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind))


def children_of(thread: int) -> list[int]:
    """Return the processes that a thread of this process has started, where the system tells."""
    native = next((each.native_id for each in threading.enumerate() if each.ident == thread), None)
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{native}/children").read_text().split()]
    except OSError:  # the thread has ended, or this is no Linux
        return []


def end_children(thread: int) -> None:
    """Ask the processes that a thread has started to end: one that waits for them goes on then."""
    for pid in children_of(thread):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
