"""The ledger: writes what became of actions, many at a time in one call (group commit)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import stamina

from upshot.events.exceptions import RetryableEventsError
from upshot.events.store import Argument, Store

from .entry import Entry

GROUP: Final = 256
"""Settlements in one call at most."""
LINGER: Final = 0.002
"""Seconds that a settlement waits for others: the store syncs each call to disk by itself."""


class Ledger:
    """Settles, parks and buries; each answer means that it is durable.

    A store that is away is waited for, for as long as it takes: all three may be sent again.

    Args:
        store: where the firings are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[Sequence[Argument], asyncio.Future[None]]] = []
        self._news = asyncio.Event()

    async def settle(self, arguments: Sequence[Argument]) -> None:
        """Write one outcome; ``arguments`` are one group of ``upshot_settle``."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((arguments, done))
        self._news.set()
        await done

    async def park(self, entry_id: str, entry: Entry, delay: float) -> None:
        """Put an entry aside for ``delay`` seconds."""
        stoppable = (entry.firing,) if entry.stoppable else ()
        await self._call("park", entry_id, entry.to_json(), round(delay * 1000), *stoppable)

    async def bury(self, arguments: Sequence[Argument]) -> None:
        """Put an action among the dead letters."""
        await self._call("bury", *arguments)

    async def run(self) -> None:
        """Write what waits, as long as the task lives."""
        while True:
            await self._news.wait()
            await asyncio.sleep(LINGER)
            self._news.clear()
            while self._waiting:
                group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
                await self._write(group)

    async def _write(self, group: list[tuple[Sequence[Argument], asyncio.Future[None]]]) -> None:
        try:
            await self._call("settle", *[part for arguments, _ in group for part in arguments])
        except Exception as error:  # noqa: BLE001 - each of the group learns of it
            for _, done in group:
                if not done.done():
                    done.set_exception(error)
            return
        for _, done in group:
            if not done.done():
                done.set_result(None)

    async def _call(self, function: str, *arguments: Argument) -> Any:
        with suppress(RetryableEventsError):  # tried again below, and told of where that fails too
            return await self._store.call(function, *arguments)
        async for attempt in stamina.retry_context(
            on=RetryableEventsError, attempts=None, timeout=None, wait_initial=0.05, wait_max=2.0
        ):
            with attempt:
                return await self._store.call(function, *arguments)
        raise AssertionError("unreachable: tries are not limited")
