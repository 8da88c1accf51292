"""A store whose commands wait for their turn: code that uses it is stopped between any two."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

from upshot.events.store import Store

T = TypeVar("T")


class Stepped(Generic[T]):
    """Something that is done one command at a time; the rest of it may never come.

    Args:
        store: what the commands go to.
        work: does it, with this in place of the store.
    """

    def __init__(self, store: Store, work: Callable[[Any], Coroutine[Any, Any, T]]) -> None:
        self._store = store
        self.keys = store.keys
        self.url = store.url
        self._turn = asyncio.Semaphore(0)
        self._asks = asyncio.Event()
        self.next: tuple[Any, ...] = ()
        self.task = asyncio.ensure_future(work(self))

    async def call(self, function: str, *args: Any) -> Any:
        return await self._wait(lambda: self._store.call(function, *args), function, *args)

    async def execute(self, *command: Any) -> Any:
        return await self._wait(lambda: self._store.execute(*command), *command)

    async def pipeline(self, commands: Any) -> Any:
        return await self._wait(lambda: self._store.pipeline(commands), "pipeline")

    async def _wait(self, send: Callable[[], Awaitable[Any]], *told: Any) -> Any:
        self.next = told
        self._asks.set()
        await self._turn.acquire()
        return await send()

    async def begin(self) -> None:
        """Come to the first command."""
        asks = asyncio.ensure_future(self._asks.wait())
        await asyncio.wait([asks, self.task], return_when=asyncio.FIRST_COMPLETED)
        asks.cancel()

    async def step(self) -> bool:
        """Let one command through, up to the next one; tell whether it was the last."""
        self._asks.clear()
        self._turn.release()
        await self.begin()
        return self.task.done()

    async def die(self) -> None:
        """Let no more commands through."""
        self.task.cancel()
        await asyncio.wait([self.task])
