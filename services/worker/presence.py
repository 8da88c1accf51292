"""Shows that a worker is there: its record in the store, and the events of its coming and going."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic_core import to_json

import upshot
from upshot.events.clock import unix_ms
from upshot.events.event import Event
from upshot.events.exceptions import EventsError, StoreUnsuitable
from upshot.events.ids import derived_id
from upshot.events.store import Store
from upshot.flows.states import timestamp

log = structlog.get_logger(__name__)


def worker_event(name: str, what: str, record: dict[str, Any], message: str = "") -> Event:
    """Return ``worker.<what>``; its payload is the worker's record."""
    pool = str(record.get("pool", ""))
    resource = {"id": f"work-pool.{derived_id('work-pool', pool)}", "role": "work-pool"}
    return Event(
        event=f"worker.{what}",
        resource={"id": f"worker.{name}", "name": name},
        related=[{**resource, "name": pool}] if pool else [],
        payload={**record, "message": message},
    )


@dataclass(frozen=True, slots=True)
class Presence:
    """One worker's record.

    Attributes:
        running: tells how many runs it has now. draining: whether it takes no more.
        started: when it came, ISO 8601.
    """

    store: Store
    name: str
    pool: str
    running: Callable[[], int]
    started: str
    draining: Callable[[], bool]

    @classmethod
    def of(
        cls,
        store: Store,
        name: str,
        pool: str,
        running: Callable[[], int],
        draining: Callable[[], bool] = lambda: False,
    ) -> Presence:
        return cls(store, name, pool, running, timestamp(), draining)

    def record(self, seen: int) -> dict[str, Any]:
        """Return what the store keeps; ``seen`` is Unix ms of the store's clock."""
        return {
            "name": self.name,
            "pool": self.pool,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": upshot.__version__,
            "started": self.started,
            "seen": seen,
            "running": self.running(),
            "status": "draining" if self.draining() else "online",
        }

    async def is_to_drain(self) -> bool:
        """Tell whether somebody has asked the worker to leave."""
        return bool(await self.store.execute("SISMEMBER", self._drains, self.name))

    async def asked_to_leave(self, period: float) -> None:
        """Return once somebody has asked the worker to leave; looks each ``period`` seconds."""
        asked = False
        while not asked:
            await asyncio.sleep(period)
            try:
                asked = await self.is_to_drain()
            except EventsError as error:
                log.debug("not known whether to drain", reason=str(error))

    @property
    def _drains(self) -> str:
        return self.store.keys("drains")

    async def keep_shown(self, period: float) -> None:
        """Say each ``period`` seconds that the worker is alive, until cancelled.

        Raises:
            StoreUnsuitable: a newer Upshot uses the store now.
        """
        starting = True
        while True:
            try:
                await self.show(starting=starting)
                starting = False
            except StoreUnsuitable:
                raise
            except EventsError as error:
                log.warning("presence not shown", reason=str(error))
            await asyncio.sleep(period)

    async def show(self, *, starting: bool = False) -> None:
        """Say that the worker is alive; whoever was taken for dead comes online again."""
        if starting:  # what was asked of one that had the name before
            await self.store.execute("SREM", self._drains, self.name)
        clock = await self.store.execute("TIME")
        record = self.record(unix_ms(clock))
        event = worker_event(self.name, "online", record)
        await self.store.call(
            "show_worker", self.name, to_json(record), int(starting), event.to_json()
        )

    async def leave(self) -> None:
        """Say goodbye; where that fails, the sweep notices."""
        try:
            await self.store.execute("SREM", self._drains, self.name)
            record = await self.store.execute("HGET", self.store.keys("workers"), self.name)
            if record is not None:
                event = worker_event(self.name, "offline", self.record(0), "it was stopped")
                await self.store.call("drop_worker", self.name, record, event.to_json())
        except EventsError as error:
            log.warning("goodbye not said", worker=self.name, reason=str(error))
