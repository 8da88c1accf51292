"""Waiting for what comes about by itself: asked again and again, and never in vain for long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

PATIENCE: Final = 60.0
"""Seconds; far from a measurement of how long anything may take."""


async def until(holds: Callable[[], Awaitable[Any]], what: str = "it holds") -> Any:
    """Ask until the answer is true; return it."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := await holds()):
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        await asyncio.sleep(0.01)
    return answer


def eventually(holds: Callable[[], Any], what: str = "it holds") -> Any:
    """Ask until the answer is true; return it."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := holds()):
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.01)
    return answer
