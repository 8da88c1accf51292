"""The way to the recorded past for those who may need it: nothing is loaded or opened before."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from upshot.events.log import START
from upshot.events.places import Place
from upshot.events.settings import Settings
from upshot.events.store import Store

from .address import database_url

if TYPE_CHECKING:
    from .reading import Reader

_READING = "upshot.services.history.reading"

Placed: TypeAlias = tuple[Place, dict[str, Any]]
"""Something in a list, with its place."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a list.

    Attributes:
        before, after: only what is older, and newer, than these places; None for no bound.
        until: Unix ms, included.
    """

    before: Place | None
    after: Place | None
    until: int


class Archive:
    """The database as one process sees it.

    Args:
        store: which tells whether its log is archived at all.
        url: the database's address.
    """

    def __init__(self, store: Store, url: str) -> None:
        self._store = store
        self._url = url
        self._reader: Reader | None = None

    @classmethod
    def of(cls, settings: Settings, store: Store) -> Archive:
        """Return the archive that the settings name."""
        return cls(store, database_url(settings))

    async def kept(self) -> bool:
        """Tell whether anybody archives this log."""
        return await self._cursor() is not None

    async def reaches(self) -> str | None:
        """Return the position up to which everything is in it; None where that is not known."""
        cursor = await self._cursor()
        return None if cursor in (None, START.encode()) else cursor.decode()

    async def _cursor(self) -> bytes | None:
        found: bytes | None = await self._store.execute(
            "HGET", self._store.keys("cursors"), "archiver"
        )
        return found

    async def reader(self) -> Reader | None:
        """Return what reads the database; None where nothing of this log is in it.

        An archiver that has only just begun may not even have made the tables yet.
        """
        if await self._cursor() in (None, START.encode()):
            return None
        if self._reader is None:
            # In a thread: it takes half a second, and other requests go on.
            await asyncio.to_thread(import_module, _READING)
            self._reader = self._made()
        return self._reader

    def _made(self) -> Reader:
        """Return the reader, which another request may have made meanwhile."""
        made: Reader = self._reader or import_module(_READING).Reader(self._url)
        return made

    async def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()
