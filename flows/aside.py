"""Lets coroutines call what blocks, and what blocks call coroutine functions."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

R = TypeVar("R")


async def aside(function: Callable[..., R], *args: Any) -> R:
    """Call what blocks in a thread, to its end even if the coroutine is cancelled meanwhile."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *args))
    while not running.done():
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            if running.cancelled():
                raise
    return running.result()


def loop_here() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread, if one does."""
    return asyncio._get_running_loop()


def here_or_beside(function: Callable[..., Any], *args: Any) -> Any:
    """Call what blocks; where an event loop runs, return a coroutine that has a thread do so."""
    return function(*args) if loop_here() is None else asyncio.to_thread(function, *args)


def called(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function or coroutine function and return what it returns.

    A coroutine gets an event loop of its own, and a thread where this one runs a loop already.
    """
    made = function(*args, **kwargs)
    if not inspect.iscoroutine(made):
        return made
    if loop_here() is None:
        return asyncio.run(made)
    thread = ThreadPoolExecutor(1, "upshot-beside")
    try:
        return thread.submit(copy_context().run, asyncio.run, made).result()
    finally:
        thread.shutdown(wait=False)
