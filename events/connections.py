"""Connections to the store: each carries the commands of one call at a time, and their answers.

They are the client library's; its own way from a command to the answer takes twice the time.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Any, Final

import hiredis
import redis
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.connection import ConnectionInterface
from redis.exceptions import RedisError, ResponseError

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
        packed = _packed(commands)
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


class BlockingConnections:
    """The connections of one process's threads: as many as talk to the store at a time.

    Args:
        pool: makes them.
    """

    def __init__(self, pool: redis.ConnectionPool) -> None:
        self._pool = pool
        # Made here, so that a process that forks for flows has done it for all of them.
        self._free: list[tuple[ConnectionInterface, float]] = [(pool.make_connection(), 0.0)]
        self._process = 0

    def exchange(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Send commands in one go; return the answer to each, which may be a ResponseError.

        Raises:
            RedisError: the connection broke; whether they were carried out is not known.
        """
        packed = _packed(commands)
        connection = self._take()
        try:
            connection.send_packed_command([packed])
            return [_blocking_answer(connection) for _ in commands]
        except BaseException:
            connection.disconnect()  # a late answer reaches nobody
            raise
        finally:
            self._free.append((connection, time.monotonic()))

    def _take(self) -> ConnectionInterface:
        """Return the connection that was used last, connected."""
        if self._process != os.getpid():
            self._belong()
        try:
            connection, used = self._free.pop()
        except IndexError:  # other threads have them all
            connection, used = self._pool.make_connection(), 0.0
        try:
            if time.monotonic() - used > UNUSED:
                _connect(connection)
        except BaseException:
            self._free.append((connection, 0.0))
            raise
        return connection

    def _belong(self) -> None:
        """Leave the connections to the process that has opened them, where this is a fork of it."""
        if self._process:
            self._free = []
        self._process = os.getpid()

    def close(self) -> None:
        for connection, _ in self._free:
            connection.disconnect()


def _packed(commands: Sequence[tuple[Any, ...]]) -> bytes:
    return b"".join([hiredis.pack_command(command) for command in commands])


def _connect(connection: ConnectionInterface) -> None:
    """Make sure that a connection leads to the store, and that no answer is left in it."""
    connection.connect()
    try:
        usable = not connection.can_read()
    except RedisError:
        usable = False
    if not usable:
        connection.disconnect()
        connection.connect()


def _blocking_answer(connection: ConnectionInterface) -> Any:
    try:
        return connection.read_response()
    except ResponseError as refusal:
        return refusal
