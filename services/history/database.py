"""The connection to the database, for the one that writes and for those that read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from ..exceptions import HistoryUnavailable
from .address import shown, sqlite_file

_BUSY_SECONDS: Final = 5.0
_READERS: Final = 4
_WRITING: Final = (
    "PRAGMA journal_mode=WAL",
    # The log is trimmed behind what is committed here, so a commit must survive a power cut.
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=4000",  # pages of 4 kB
    "PRAGMA cache_size=-32000",  # kB
    "PRAGMA foreign_keys=OFF",
)
_READING: Final = ("PRAGMA query_only=ON", "PRAGMA cache_size=-8000")


class Database:
    """A database of the recorded past.

    Attributes:
        url: its address, as ``address.database_url`` gives it.

    Args:
        writes: whether it may be changed, and is created where it is missing.
    """

    def __init__(self, url: str, *, writes: bool) -> None:
        self.url = url
        self._writes = writes
        self._engine: AsyncEngine | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Run a block in one transaction.

        Raises:
            HistoryUnavailable: nothing of it is known to be done.
        """
        try:
            async with self._connected().begin() as connection:
                yield connection
        except DBAPIError as error:
            raise self._unavailable(str(error.orig)) from error
        except (SQLAlchemyError, OSError) as error:
            raise self._unavailable(str(error)) from error

    def _unavailable(self, why: str) -> HistoryUnavailable:
        return HistoryUnavailable(f"the database {shown(self.url)} can't be used: {why}")

    def _connected(self) -> AsyncEngine:
        if self._engine is None:
            self._engine = self._open()
        return self._engine

    def _open(self) -> AsyncEngine:
        file = sqlite_file(self.url)
        if file is None:
            size = 1 if self._writes else _READERS
            options = {"pool_size": size, "max_overflow": 0, "pool_pre_ping": True}
            return create_async_engine(
                self.url, connect_args={"timeout": 10, "command_timeout": 120}, **options
            )
        if self._writes:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.touch(mode=0o600)  # events are nobody else's business
        elif not file.exists():  # else it would be created, empty
            raise self._unavailable("there is no such file; is the archiver running?")
        engine = create_async_engine(
            self.url,
            pool_size=1 if self._writes else _READERS,
            max_overflow=0,
            connect_args={"timeout": _BUSY_SECONDS},
        )
        _prepare_sqlite(engine, self._writes)
        return engine

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = None


def _prepare_sqlite(engine: AsyncEngine, writes: bool) -> None:
    """Set each connection up, and begin transactions ourselves: the driver's do not cover DDL."""

    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _WRITING if writes else _READING:
            cursor.execute(pragma)
        cursor.close()

    def begun(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine.sync_engine, "connect", connected)
    event.listen(engine.sync_engine, "begin", begun)
