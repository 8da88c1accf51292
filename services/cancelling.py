"""Heeds a cancellation that somebody else's code has swallowed."""

from __future__ import annotations

import asyncio


def heed_cancellation() -> None:
    """Raise where this task was cancelled; a start of FastStream's swallows that at times.

    Raises:
        asyncio.CancelledError: it was cancelled, and has not ended yet.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
