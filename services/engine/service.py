"""The engine: owns its shard whenever it is free, and stands by while another one does.

take the lease → recall what the last commit kept → ``Owner`` reads, decides and commits until the
lease is gone
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from upshot.events.exceptions import RetryableEventsError, StaleEpoch
from upshot.events.log import Log
from upshot.events.settings import Settings
from upshot.events.store import Store
from upshot.services.history.archive import Archive
from upshot.services.leadership import Leadership

from .fetching import Events
from .memory import recall
from .owning import Owner
from .reading import Reader

log = structlog.get_logger(__name__)

_ARCHIVE_PATIENCE: Final = 5.0  # seconds


async def run(settings: Settings, store_url: str) -> None:
    """Run the engine on the store at ``store_url`` until cancelled."""
    store = Store(store_url)
    archive = Archive.of(settings, store)
    try:
        await Engine(store, lease_ms=settings.lease_ms, archive=archive).run()
    finally:
        await archive.close()
        await store.close()


class Engine:
    """One engine process: owner of the shard, or standing by.

    Args:
        store: the shard's store.
        lease_ms: for how long an owner that fell silent keeps the shard.
        archive: has the events that a firing needs and the log has no more; else they are missing.
    """

    def __init__(self, store: Store, *, lease_ms: int, archive: Archive | None = None) -> None:
        self._store = store
        self._archive = archive
        self._leadership = Leadership(store, "engine", lease_ms)

    async def run(self) -> None:
        """Own the shard whenever it is free, until cancelled."""
        try:
            while True:
                try:
                    await self._leadership.stand_by()
                    await self._own()
                except StaleEpoch as error:
                    log.warning("lease lost", reason=str(error))
                except RetryableEventsError as error:
                    log.warning("engine starts over", reason=str(error))
                    await asyncio.sleep(0.1)
        finally:
            await self._leadership.step_down()

    async def _own(self) -> None:
        reader, leadership = Reader(self._store), self._leadership
        memory = await recall(self._store, await reader.gaps(), leadership.keep)
        memory.archived = self._archive is not None and await self._archive.kept()
        log.info("engine owns the shard", epoch=leadership.epoch, cursor=memory.cursor)
        patience = min(_ARCHIVE_PATIENCE, leadership.ttl_ms / 3000)
        events = Events(Log(self._store), self._archive, patience)
        await Owner(self._store, leadership, reader, events, memory).run()
