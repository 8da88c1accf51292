"""Lets coroutines call what blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
