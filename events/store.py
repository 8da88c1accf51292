"""The store: a connection to Redis or Valkey that loads the atomic functions and calls them."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final, TypeAlias

import redis
import redis.asyncio
from redis import exceptions as refusals
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from . import exceptions as errors
from .connections import BlockingConnections, Connections
from .keys import Keys
from .library import PREFIX, library, refuse_newer

_REFUSALS: Final[dict[str, type[errors.EventsError]]] = {
    "CONFLICT": errors.Conflict,
    "LIMIT": errors.LimitReached,
    "STALE": errors.StaleEpoch,
    "ILLEGAL": errors.IllegalTransition,
    "MISSING": errors.NotFound,
    "OOM": errors.StoreFull,
    "MISCONF": errors.StoreFull,
    "BUSY": errors.StoreUnavailable,
    "MASTERDOWN": errors.StoreUnavailable,
    "NOREPLICAS": errors.StoreUnavailable,
}

_AWAY: Final = (
    refusals.ConnectionError,
    refusals.TimeoutError,
    refusals.BusyLoadingError,
    refusals.ReadOnlyError,
)

_ANY: Final = sys.maxsize
"""Connections that a process's threads may have: each that asks needs one."""

_OLDER_AT_ONCE: Final = 500
"""Runs of an older version that one call lists; nobody else is served meanwhile."""

Argument: TypeAlias = str | bytes | int | float
Commands: TypeAlias = list[tuple[Argument, ...]]


def translate(error: RedisError) -> errors.EventsError:
    """Turn what the client library raised into the error of this room that says what it means."""
    text = str(error)
    kind = _REFUSALS.get(text.partition(" ")[0])
    if isinstance(error, refusals.OutOfMemoryError):
        kind = errors.StoreFull
    if kind is not None:
        return kind(text)
    if isinstance(error, _AWAY):
        return errors.StoreUnavailable(f"the store does not answer: {text}")
    return errors.EventsError(text)


def _without_functions(error: ResponseError) -> bool:
    return "Function not found" in str(error)


def _options(timeout: float | None) -> dict[str, Any]:
    # No hidden retries: whether a command may be sent again is decided where its meaning is known.
    return {
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": timeout,
        "socket_connect_timeout": 5.0,
        "health_check_interval": 0,
        "protocol": 3,
        # Looking up the client library's version for the server costs each new process 3 ms.
        "driver_info": None,
    }


class Store:
    """The store for services, on asyncio. One for a process.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://`` address.
        timeout: seconds after which a command that does not answer is given up.
    """

    def __init__(self, url: str, *, timeout: float = 15.0, connections: int = 64) -> None:
        self.url = url
        self.keys = Keys()
        self._timeout = timeout
        # No `socket_timeout`: the client library keeps it by `asyncio.wait_for`, which on
        # Python 3.11 can lose a cancellation; a service would then never end.
        pool = redis.asyncio.ConnectionPool.from_url(url, **_options(None))
        self._connections = Connections(pool, connections)
        self.client: redis.asyncio.Redis = redis.asyncio.Redis(connection_pool=pool)
        self.client.response_callbacks.clear()  # answers stay as the server gives them

    async def load_functions(self) -> None:
        """Put this version's functions into the store, and bring what older ones left to its form.

        Raises:
            StoreUnsuitable: a newer Upshot uses this store.
        """
        try:
            there = await self._send("FCALL_RO", "upshot_version", 0)
        except ResponseError as error:
            if not _without_functions(error):
                raise translate(error) from error
            there = 0
        except RedisError as error:
            raise translate(error) from error
        refuse_newer(int(there))
        await self.execute("FUNCTION", "LOAD", "REPLACE", library())
        await self.execute("FCALL", f"{PREFIX}upgrade", 1, self.keys.root)
        while await self.execute("FCALL", f"{PREFIX}list_older", 1, self.keys.root, _OLDER_AT_ONCE):
            pass

    async def call(self, function: str, *args: Argument) -> Any:
        """Call ``upshot_<function>``; a store that lost its functions gets them again."""
        command = ("FCALL", PREFIX + function, 1, self.keys.root, *args)
        try:
            return await self._send(*command)
        except ResponseError as error:
            if not _without_functions(error):
                raise translate(error) from error
        except RedisError as error:
            raise translate(error) from error
        await self.load_functions()
        return await self.execute(*command)

    async def execute(self, *command: Argument) -> Any:
        """Send one command of the server's own."""
        try:
            return await self._send(*command)
        except RedisError as error:
            raise translate(error) from error

    async def pipeline(self, commands: Commands) -> list[Any]:
        """Send several commands in one round trip, in order, not as one atomic step."""
        try:
            return await self._exchange(commands)
        except RedisError as error:
            raise translate(error) from error

    async def _send(self, *command: Argument) -> Any:
        return (await self._exchange([command]))[0]

    async def _exchange(self, commands: Commands) -> list[Any]:
        try:
            async with asyncio.timeout(self._timeout):
                answers = await self._connections.exchange(commands)
        except TimeoutError as error:  # its connection is closed: a late answer reaches nobody
            raise errors.StoreUnavailable(
                f"the store did not answer within {self._timeout:g} seconds"
            ) from error
        for answer in answers:
            if isinstance(answer, ResponseError):
                raise answer
        return answers

    async def close(self) -> None:
        await self._connections.close()
        await self.client.aclose()
        await self.client.connection_pool.disconnect()


class SyncStore:
    """The store for a flow process's own threads: the same calls, blocking.

    It connects when it is first asked, so a process may make it for those that it forks.
    """

    def __init__(self, url: str, *, timeout: float = 15.0) -> None:
        self.url = url
        self.keys = Keys()
        pool = redis.ConnectionPool.from_url(url, max_connections=_ANY, **_options(timeout))
        self._connections = BlockingConnections(pool)

    def load_functions(self) -> None:
        """Put this version's functions into the store; refuse one that a newer Upshot uses."""
        refuse_newer(int(self._known("FCALL_RO", "upshot_version", 0) or 0))
        self.execute("FUNCTION", "LOAD", "REPLACE", library())
        self.execute("FCALL", f"{PREFIX}upgrade", 1, self.keys.root)
        while self.execute("FCALL", f"{PREFIX}list_older", 1, self.keys.root, _OLDER_AT_ONCE):
            pass

    def _known(self, *command: Argument) -> Any:
        """Return the answer, or None when the store does not know the function."""
        try:
            return self._send(command)
        except ResponseError as error:
            if not _without_functions(error):
                raise translate(error) from error
            return None
        except RedisError as error:
            raise translate(error) from error

    def call(self, function: str, *args: Argument) -> Any:
        """Call ``upshot_<function>``; a store that lost its functions gets them again."""
        command = ("FCALL", PREFIX + function, 1, self.keys.root, *args)
        answer = self._known(*command)
        if answer is not None:
            return answer
        self.load_functions()
        return self.execute(*command)

    def execute(self, *command: Argument) -> Any:
        """Send one command of the server's own."""
        return self.pipeline([command])[0]

    def pipeline(self, commands: Commands) -> list[Any]:
        """Send several commands in one round trip, in order, not as one atomic step."""
        try:
            return self._exchange(commands)
        except RedisError as error:
            raise translate(error) from error

    def _send(self, command: tuple[Argument, ...]) -> Any:
        return self._exchange([command])[0]

    def _exchange(self, commands: Commands) -> list[Any]:
        answers = self._connections.exchange(commands)
        for answer in answers:
            if isinstance(answer, ResponseError):
                raise answer
        return answers

    def close(self) -> None:
        self._connections.close()
