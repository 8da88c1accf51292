"""Keeps a worker from taking runs while its pool is paused."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from upshot.events.exceptions import EventsError
from upshot.events.store import Store
from upshot.services.switching import is_paused

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 0.5


class Gate:
    """The gate of one pool.

    Args:
        store: where the pause is. pool: whose.
    """

    def __init__(self, store: Store, pool: str) -> None:
        self._store = store
        self._pool = pool

    async def passed(self) -> None:
        """Return at once, or as soon as the pool is resumed."""
        if not await self._closed():
            return
        log.info("work pool is paused", pool=self._pool)
        while await self._closed():  # noqa: ASYNC110 - the store does not tell when it changes
            await asyncio.sleep(_LOOK_SECONDS)
        log.info("work pool goes on", pool=self._pool)

    async def _closed(self) -> bool:
        try:
            return await is_paused(self._store, self._pool)
        except EventsError:  # without the store nothing can be taken anyway
            return False
