"""The dispatcher: does the actions of firings.

1. ``subscription`` takes entries from the actions stream, as many as there is room for
2. ``dispatch`` does their actions one after another, each entry in a task of its own
3. ``performers`` act on the world; ``lanes`` keep a dead receiver from holding up the others
4. ``ledger`` writes what came of it: settled, parked for a later try, or buried
5. entries in hand are renewed, so that the sweep gives none of them to somebody else
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

from upshot.events.exceptions import EventsError
from upshot.events.ids import new_id
from upshot.events.keys import DISPATCHERS
from upshot.events.settings import Settings
from upshot.events.store import Store
from upshot.flows.runs.registry import Runs

from ..definitions.catalog import Catalog
from ..rendering import Renderer
from .context import Contexts
from .dispatch import Dispatch
from .known import KnownDefinitions
from .ledger import Ledger
from .performers import performers
from .replacing import Replacing
from .subscription import Subscription

log = structlog.get_logger(__name__)

GRACE: Final = 10.0
"""Seconds that entries in hand get to end when the service stops; the rest is given out again."""
_CLAIMED_AT_ONCE: Final = 500


class Dispatcher:
    """Takes entries and does them, a bounded number at a time.

    Args:
        settings: ``action_concurrency`` and ``lease`` above all.
        store: the shard. dispatch: does one entry.
    """

    def __init__(self, settings: Settings, store: Store, dispatch: Dispatch) -> None:
        self.consumer = f"{socket.gethostname()}-{os.getpid()}-{new_id()[-6:]}"
        self._settings = settings
        self._store = store
        self._dispatch = dispatch
        self._room = asyncio.Semaphore(settings.action_concurrency)
        self._in_hand: dict[str, asyncio.Task[None] | None] = {}

    async def take(self, batch: list[tuple[str, bytes]]) -> None:
        """Begin each entry as soon as there is room for it."""
        self._in_hand.update({entry_id: None for entry_id, _ in batch})
        for entry_id, body in batch:
            await self._room.acquire()
            self._in_hand[entry_id] = asyncio.create_task(self._do(entry_id, body))

    async def _do(self, entry_id: str, body: bytes) -> None:
        try:
            await self._dispatch.do(entry_id, body)
        except Exception:
            # It stays pending; the sweep gives it out again, and after some times buries it.
            log.exception("an entry could not be done", entry=entry_id)
        finally:
            self._room.release()
            self._in_hand.pop(entry_id, None)

    async def renew(self) -> None:
        """Show each third of a lease that the entries in hand are being worked on."""
        while True:
            await asyncio.sleep(self._settings.lease / 3)
            ids = list(self._in_hand)
            for at in range(0, len(ids), _CLAIMED_AT_ONCE):
                await self._claim(ids[at : at + _CLAIMED_AT_ONCE])

    async def _claim(self, ids: list[str]) -> None:
        group = (self._store.keys("actions"), DISPATCHERS, self.consumer)
        try:
            await self._store.execute("XCLAIM", *group, 0, *ids, "JUSTID")
        except EventsError as error:
            log.warning("entries in hand could not be renewed", why=str(error))

    async def drain(self) -> None:
        """Give the entries in hand some time to end, then let go of them."""
        tasks = [task for task in self._in_hand.values() if task is not None]
        if not tasks:
            return
        _, left = await asyncio.wait(tasks, timeout=GRACE)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def run(
    settings: Settings, store_url: str, registry: CollectorRegistry | None = None
) -> None:
    """Run a dispatcher on the store at ``store_url`` until cancelled, then let what is begun end.

    Args:
        registry: where FastStream's metrics go; by default one of its own.
    """
    store = Store(store_url)
    runs, definitions = Runs(store, lease_ms=settings.lease_ms), KnownDefinitions(Catalog(store))
    ledger, renderer = Ledger(store), Renderer()
    try:
        async with performers(settings, store, runs, definitions) as doers:
            contexts, replacing = Contexts(definitions, runs), Replacing(store, ledger, runs)
            dispatch = Dispatch(store, ledger, contexts, doers, replacing, renderer)
            await _run(store, ledger, Dispatcher(settings, store, dispatch), registry)
    finally:
        await renderer.close()
        await store.close()


async def _run(
    store: Store,
    ledger: Ledger,
    dispatcher: Dispatcher,
    registry: CollectorRegistry | None,
) -> None:
    metrics = registry or CollectorRegistry()
    subscription = Subscription(store, dispatcher.consumer, dispatcher.take, metrics)
    beside = [asyncio.create_task(ledger.run()), asyncio.create_task(dispatcher.renew())]
    try:
        await subscription.run()
    finally:
        await dispatcher.drain()
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
