"""Interrupts other threads."""

from __future__ import annotations

import ctypes


def raise_in(thread: int, kind: type[BaseException]) -> None:
    """Raise in another thread as soon as it runs Python code; a blocking call goes on till then."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind))
