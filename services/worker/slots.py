"""Counts how many runs a worker has, and lets wait for room."""

from __future__ import annotations

import asyncio


class Slots:
    """As many slots as runs may be there at a time.

    Args:
        limit: how many.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._room = asyncio.Event()
        self._room.set()

    def used(self) -> int:
        return self._used

    def take(self) -> None:
        """Use a slot; whoever takes waited for ``free`` before."""
        self._used += 1
        if self._used >= self._limit:
            self._room.clear()

    def release(self) -> None:
        self._used -= 1
        if self._used < self._limit:
            self._room.set()

    async def free(self) -> None:
        """Wait until a slot is free."""
        await self._room.wait()
