"""Repeats a pass as long as its task lives: a failing one is logged and followed by another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from upshot.events.exceptions import RetryableEventsError

log = structlog.get_logger(__name__)

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 10.0

Pass = Callable[[], Awaitable[float]]
"""Does its work once and returns in how many seconds to do it again."""


async def repeat(name: str, work: Pass) -> None:
    """Do a pass again and again until cancelled; after an error the pauses grow."""
    pause = _FIRST_PAUSE
    while True:
        try:
            wait = await work()
            pause = _FIRST_PAUSE
        except RetryableEventsError as error:
            log.warning("pass failed", work=name, reason=str(error))
            wait, pause = pause, min(_LONGEST_PAUSE, pause * 2)
        except Exception:  # one pass must not end the others; it is said in full
            log.exception("pass failed", work=name)
            wait, pause = pause, min(_LONGEST_PAUSE, pause * 2)
        await asyncio.sleep(wait)


def every(seconds: float, work: Callable[[], Awaitable[object]]) -> Pass:
    """Return the pass that does ``work`` each ``seconds``."""

    async def one() -> float:
        await work()
        return seconds

    return one
