"""Work pools: which there are, what waits in them, and whether they are paused.

A pool is there as soon as anything speaks of it: a deployment, a worker, a run, or its own pause.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from upshot.events.exceptions import NotFound
from upshot.events.ids import derived_id
from upshot.events.store import Store
from upshot.flows.jobs import DEFAULT_TYPE

from .catalog import Catalog
from .names import nearest
from .switching import WORK_POOL


class WorkPools:
    """The work pools of a store.

    Args:
        catalog: where pauses and deployments are.
    """

    def __init__(self, store: Store, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog

    async def all(self) -> list[dict[str, Any]]:
        """Return each pool, by name: how it is defined, how many runs wait, who serves it."""
        workers, docs = await self.workers(), await self._catalog.all(WORK_POOL)
        names = sorted(await self._names(workers))
        keys = [("XLEN", self._store.keys("queue", name)) for name in names]
        waiting = await self._store.pipeline([*keys])
        return [
            {
                "id": derived_id(WORK_POOL, name),
                "name": name,
                "type": docs.get(name, {}).get("type") or DEFAULT_TYPE,
                "concurrency_limit": docs.get(name, {}).get("concurrency_limit"),
                "job": docs.get(name, {}).get("job") or {},
                "description": docs.get(name, {}).get("description") or "",
                "paused": bool(docs.get(name, {}).get("paused")),
                "queued": queued,
                "workers": sum(each["pool"] == name for each in workers),
                "running": sum(each["running"] for each in workers if each["pool"] == name),
            }
            for name, queued in zip(names, waiting, strict=True)
        ]

    async def find(self, wanted: str) -> str:
        """Return the name of a pool that is given by name or id.

        Raises:
            NotFound: nothing speaks of it; the message names the nearest one.
        """
        names = await self._names(await self.workers())
        if wanted in names:
            return wanted
        identity = wanted.removeprefix(f"{WORK_POOL}.")
        for name in names:
            if derived_id(WORK_POOL, name) == identity:
                return name
        raise NotFound(f"no work pool is called {wanted[:200]!r}{nearest(wanted, names)}")

    async def workers(self) -> list[dict[str, Any]]:
        """Return the workers' records, by name."""
        stored = await self._store.execute("HGETALL", self._store.keys("workers"))
        return [from_json(stored[name]) for name in sorted(stored)]

    async def paused(self) -> set[str]:
        """Return the names of the pools that are paused."""
        docs = await self._catalog.all(WORK_POOL)
        return {name for name, doc in docs.items() if doc.get("paused")}

    async def _names(self, workers: list[dict[str, Any]]) -> set[str]:
        queues = await self._store.execute("SMEMBERS", self._store.keys("pools"))
        deployments = await self._catalog.all("deployment")
        return {
            *(name.decode() for name in queues),
            *(str(each["pool"]) for each in workers),
            *(str(doc.get("work_pool") or "default") for doc in deployments.values()),
            *(await self._catalog.names(WORK_POOL)),
        }
