"""Work pools: which there are, what waits in them, and whether they are paused.

A pool is there as soon as anything speaks of it: a deployment, a worker, a run, or its own pause.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from upshot.automations.files.declarations import WorkQueue
from upshot.events.exceptions import NotFound
from upshot.events.ids import derived_id
from upshot.events.store import Store
from upshot.flows.deployments.jobs import DEFAULT_TYPE
from upshot.flows.runs.flowrun import DEFAULT_QUEUE

from .definitions.catalog import Catalog
from .definitions.names import nearest
from .definitions.switching import WORK_POOL, WORK_QUEUE


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
        waiting, spoken_of = await self._waiting(names), await self._queues_spoken_of()
        return [
            {
                "id": derived_id(WORK_POOL, name),
                "name": name,
                "type": docs.get(name, {}).get("type") or DEFAULT_TYPE,
                "concurrency_limit": docs.get(name, {}).get("concurrency_limit"),
                "job": docs.get(name, {}).get("job") or {},
                "description": docs.get(name, {}).get("description") or "",
                "paused": bool(docs.get(name, {}).get("paused")),
                "queues": _queues(
                    docs.get(name, {}).get("queues") or [], queued, spoken_of.get(name, {})
                ),
                "queued": sum(queued.values()),
                "workers": sum(each["pool"] == name for each in workers),
                "running": sum(each["running"] for each in workers if each["pool"] == name),
            }
            for name, queued in zip(names, waiting, strict=True)
        ]

    async def _waiting(self, names: list[str]) -> list[dict[str, int]]:
        """Return how many runs wait in each queue of each pool."""
        told = await self._store.call("waiting", *names)
        return [
            {name.decode(): queued for name, queued in zip(each[::2], each[1::2], strict=True)}
            for each in told
        ]

    async def _queues_spoken_of(self) -> dict[str, dict[str, bool | None]]:
        """Return pool → queue → whether somebody paused it by hand, or None where nobody said.

        Those of deployments, and those that were paused or resumed.
        """
        found: dict[str, dict[str, bool | None]] = {}
        for doc in (await self._catalog.all("deployment")).values():
            if doc.get("queue"):
                found.setdefault(doc.get("work_pool") or "default", {})[doc["queue"]] = None
        for name, doc in (await self._catalog.all(WORK_QUEUE)).items():
            pool, _, queue = name.partition("/")
            found.setdefault(pool, {})[queue] = doc["paused"]
        return found

    async def find_queue(self, pool: str, wanted: str) -> str:
        """Return the name of a pool's queue; raise NotFound as :meth:`find`."""
        (found,) = [each for each in await self.all() if each["name"] == pool]
        names = [queue["name"] for queue in found["queues"]]
        if wanted in names:
            return wanted
        hint = nearest(wanted, names)
        raise NotFound(f"work pool {pool} has no queue that is called {wanted[:200]!r}{hint}")

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


def _queues(
    defined: list[dict[str, Any]], queued: dict[str, int], spoken_of: dict[str, bool | None]
) -> list[dict[str, Any]]:
    """Return each queue of a pool, those first that are served first: its definition, who waits."""
    named = {queue["name"]: queue for queue in defined}
    queues = [
        WorkQueue.model_validate(named.get(name, {"name": name})).model_dump()
        for name in sorted({DEFAULT_QUEUE, *named, *queued, *spoken_of})
    ]
    queues.sort(key=lambda queue: int(queue["priority"]))
    for queue in queues:
        said = spoken_of.get(queue["name"])
        queue["paused"] = queue["paused"] if said is None else said
    return [{**queue, "queued": queued.get(queue["name"], 0)} for queue in queues]
