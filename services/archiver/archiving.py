"""One archiver process: owner of the shard's database, or standing by."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import structlog

from upshot.events.clock import unix_ms
from upshot.events.exceptions import RetryableEventsError, StaleEpoch
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.services.exceptions import RetryableServicesError
from upshot.services.history.database import Database
from upshot.services.history.looking_up import look_up
from upshot.services.history.migrating import migrate
from upshot.services.history.projection import Stretch
from upshot.services.history.writing import Cursor, commit, forget, read_cursor
from upshot.services.leadership import Leadership

log = structlog.get_logger(__name__)

NAME: Final = "archiver"
IDLE_MS: Final = 1000
LINGER: Final = 0.25
"""Seconds in which a stretch grows: each commit waits for the disk, which the store needs too."""
PAGE: Final = 500
"""Entries read in one go: others in this process wait for as long as it takes to parse them."""
LONGEST: Final = 5_000
"""Events of one commit, at most."""
MOST_BYTES: Final = 16 * 1024 * 1024
"""Of events after which a commit takes no further page: large ones must not fill the memory."""
FORGOTTEN_AT_ONCE: Final = 2_000

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 10.0
_MINUTE: Final = 60.0


class Archiver:
    """Projects one shard's log.

    Args:
        url: the database's address.
        lease_ms: for how long an owner that fell silent keeps the shard.
        retention_ms: how long rows stay.

    Attributes:
        database: where it writes.
    """

    def __init__(self, store: Store, url: str, *, lease_ms: int, retention_ms: int) -> None:
        self._store = store
        self._log = Log(store)
        self.database = Database(url, writes=True)
        self._leadership = Leadership(store, NAME, lease_ms)
        self._retention_ms = retention_ms
        self._forget_at = 0.0

    async def run(self) -> None:
        """Own the shard whenever it is free, until cancelled; what fails is tried again."""
        pause = _FIRST_PAUSE
        try:
            while True:
                began = time.monotonic()
                try:
                    await self._own()
                except StaleEpoch as error:
                    log.warning("archiver lost the shard", reason=str(error))
                except (RetryableEventsError, RetryableServicesError) as error:
                    log.warning("archiver starts over", reason=str(error))
                except Exception:  # nothing here may end the services beside it
                    log.exception("archiver starts over")
                if time.monotonic() - began > _LONGEST_PAUSE:
                    pause = _FIRST_PAUSE
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
        finally:
            await self._leadership.step_down()
            await asyncio.shield(self.close())

    async def _own(self) -> None:
        """Archive from where the database is, until something fails."""
        await self._leadership.stand_by()
        cursor = await self.open()
        log.info("archiver owns the shard", cursor=cursor.position)
        while True:
            await self._leadership.keep()
            before, cursor = cursor, await self.step(cursor)
            busy = await self._forget()
            if cursor.total - before.total < LONGEST and not busy:
                await self._log.wait(cursor.position, IDLE_MS, limit=1)
                await asyncio.sleep(LINGER)

    async def open(self) -> Cursor:
        """Make the database ready; return how far it has the log."""
        await migrate(self.database)
        cursor = await read_cursor(self.database, await self._already_gone())
        await self._register(cursor)
        return cursor

    async def step(self, cursor: Cursor) -> Cursor:
        """Archive what follows, ``LONGEST`` events at most; return how far the database is then."""
        stretch = await self._read(cursor.position)
        if not stretch.events:
            return cursor
        changed = await look_up(self._store, stretch)
        cursor = await commit(self.database, cursor, stretch, changed)
        await self._register(cursor)
        return cursor

    async def close(self) -> None:
        """Close the database."""
        await self.database.close()

    async def _already_gone(self) -> int:
        """Return how many events were in the log once and are not any more."""
        key = self._store.keys("log")
        if not await self._store.execute("EXISTS", key):
            return 0
        told = await self._store.execute("XINFO", "STREAM", key)
        return int(told[b"entries-added"]) - int(told[b"length"])

    async def _read(self, position: str) -> Stretch:
        """Return what follows, page by page, so that others get their turn in between."""
        stretch, key = Stretch(position), self._store.keys("log")
        while len(stretch.events) < LONGEST and stretch.size < MOST_BYTES:
            entries: list[Any] = await self._store.execute(
                "XRANGE", key, f"({stretch.cursor}", "+", "COUNT", PAGE
            )
            stretch.add(entries)
            if len(entries) < PAGE:
                break
        return stretch

    async def _register(self, cursor: Cursor) -> None:
        """Tell the store what need not be kept any more: it is in the database, synced to disk."""
        await self._log.register(NAME, cursor.position, cursor.total)

    async def _forget(self) -> bool:
        """Drop some of what is past its time; tell whether there may be more."""
        if time.monotonic() < self._forget_at:
            return False
        clock = await self._store.execute("TIME")
        before = unix_ms(clock) - self._retention_ms
        dropped = await forget(self.database, before, FORGOTTEN_AT_ONCE)
        if dropped >= FORGOTTEN_AT_ONCE:
            return True
        self._forget_at = time.monotonic() + _MINUTE
        return False
