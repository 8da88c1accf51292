"""Connections to the store: each carries the commands of one call at a time, and their answers.

They are the client library's; its own way from a command to the answer takes twice the time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import hiredis
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

UNUSED: Final = 0.05
"""Seconds after which it is looked whether a connection still leads to the store: before that no
store can have ended and started again."""


class Connections:
    """The connections of one event loop.

    Args:
        pool: makes them. most: how many may be in use at a time; further calls wait.
    """

    def __init__(self, pool: ConnectionPool, most: int) -> None:
        self._pool = pool
        self._places = asyncio.Semaphore(most)
        self._all: list[AbstractConnection] = []
        self._free: list[tuple[AbstractConnection, float]] = []

    async def exchange(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Send commands in one go; return the answer to each, which may be a ResponseError.

        Raises:
            RedisError: the connection broke; whether they were carried out is not known.
        """
        packed = b"".join([hiredis.pack_command(command) for command in commands])
        async with self._places:
            connection = await self._take()
            try:
                # Whatever interrupts either of these closes it: a late answer reaches nobody.
                await connection.send_packed_command(packed)
                return [await _answer(connection) for _ in commands]
            finally:
                self._free.append((connection, time.monotonic()))

    async def _take(self) -> AbstractConnection:
        """Return the connection that was used last, connected."""
        if not self._free:
            self._all.append(self._pool.make_connection())
            self._free.append((self._all[-1], 0.0))
        connection, used = self._free.pop()
        try:
            if not connection.is_connected or time.monotonic() - used > UNUSED:
                await self._pool.ensure_connection(connection)
        except BaseException:
            self._free.append((connection, 0.0))
            raise
        return connection

    async def close(self) -> None:
        for connection in self._all:
            await connection.disconnect()


async def _answer(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as refusal:
        return refusal
