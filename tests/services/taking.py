"""A pool's queue as its workers use it, one step at a time."""

from __future__ import annotations

from typing import Any

from upshot.automations.files.declarations import WorkPool
from upshot.events.keys import WORKERS
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.definitions.catalog import Catalog
from upshot.services.definitions.switching import WORK_POOL
from upshot.services.worker.claims import Claims, Waiting

URGENT: dict[str, Any] = {"name": "urgent", "priority": 1}
BULK: dict[str, Any] = {"name": "bulk", "priority": 200}


async def define(store: Store, *queues: dict[str, Any], **more: Any) -> None:
    pool = WorkPool.model_validate({"name": "default", "queues": queues, **more})
    await Catalog(store).apply({WORK_POOL: {"default": pool.model_dump(mode="json")}})


async def wait(store: Store, queue: str = "default", priority: int = 0, **more: Any) -> FlowRun:
    """Put a run into a queue."""
    place: dict[str, Any] = {"pool": "default", "queue": queue, "priority": priority}
    run = new_run("note", state=State("Scheduled"), **place, **more)
    await Runs(store).create(run)
    return run


class Taking:
    """What workers do with entries of the pool's stream, one step at a time."""

    def __init__(self, store: Store) -> None:
        self.store, self.key = store, store.keys("queue", "default")
        self.claims = Claims(store, Runs(store), "default", "w")

    async def read(self, consumer: str = "w") -> Waiting | None:
        """Read the next entry, if there is one."""
        answer = await self.store.execute(
            "XREADGROUP", "GROUP", WORKERS, consumer, "COUNT", 1, "STREAMS", self.key, ">"
        )
        for entry, fields in (answer or {}).get(self.key.encode(), []):
            return Waiting(entry.decode(), fields[1].decode())
        return None

    async def next(self) -> str | None:
        """Read entries and take runs until one is had; return its id."""
        while (entry := await self.read()) is not None:
            claimed = await self.claims.claim(entry)
            await self.claims.settle(entry)
            if claimed is not None:
                return claimed[0].id
        return None

    async def all(self) -> list[str]:
        found = []
        while (run := await self.next()) is not None:
            found.append(run)
        return found

    async def end(self, run_id: str) -> None:
        run = await Runs(self.store).get(run_id)
        await Runs(self.store).transition(run, State("Crashed"), own=False)
