"""Keeps a worker from taking runs while its pool is paused, and tells how the pool is defined."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from pydantic_core import from_json

from upshot.events.exceptions import EventsError
from upshot.events.store import Store
from upshot.flows.deployments.jobs import DEFAULT_TYPE
from upshot.services.definitions.switching import WORK_POOL

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Pool:
    """A work pool as it is defined now.

    Attributes:
        kind: its type. job: variables of every run's process.
    """

    name: str
    kind: str = DEFAULT_TYPE
    job: Mapping[str, Any] = field(default_factory=dict)
    paused: bool = False


def pool_of(name: str, stored: bytes | None) -> Pool:
    """Return a pool as the store has it; one that nobody has defined is there all the same."""
    doc = from_json(stored.partition(b" ")[2]) if stored else {}
    kind = doc.get("type") or DEFAULT_TYPE
    return Pool(name, kind, doc.get("job") or {}, bool(doc.get("paused")))


class Gate:
    """The gate of one pool.

    Args:
        store: where its definition is. pool: whose.
    """

    def __init__(self, store: Store, pool: str) -> None:
        self._store = store
        self._seen = Pool(pool)

    async def passed(self) -> Pool:
        """Return the pool at once, or as soon as it is resumed."""
        pool, waited = await self._look(), False
        while pool.paused:
            if not waited:
                log.info("work pool is paused", pool=pool.name)
            waited = True
            await asyncio.sleep(_LOOK_SECONDS)
            pool = await self._look()
        if waited:
            log.info("work pool goes on", pool=pool.name)
        return pool

    async def _look(self) -> Pool:
        name = self._seen.name
        try:
            key = self._store.keys("docs", WORK_POOL)
            self._seen = pool_of(name, await self._store.execute("HGET", key, name))
        except EventsError as error:  # without the store nothing can be taken anyway
            log.debug("work pool not read", pool=name, reason=str(error))
        return self._seen
