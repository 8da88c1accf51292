"""Ends tasks that run beside the requests."""

from __future__ import annotations

import asyncio
from typing import Any, Final

_AGAIN: Final = 0.2


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it ended; what made it fail is raised.

    It is cancelled again until it ends: a cancellation that comes together with an answer of the
    store can get lost (before Python 3.12, in ``asyncio.wait_for``).
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_AGAIN)
    if not task.cancelled() and (error := task.exception()):
        raise error
