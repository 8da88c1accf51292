"""Who works and on what, over HTTP: flows, workers and work pools."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from pydantic_core import from_json
from starlette.responses import Response

from upshot.events.ids import derived_id
from upshot.events.store import Store
from upshot.flows.registry import RunFilter

from .answers import Cursor, Limit, page
from .parts import Parts, Served

router = APIRouter(prefix="/api/v1", tags=["work"])

_RUNS_LOOKED_AT: Final = 1_000


@router.get("/flows")
async def list_flows(parts: Served, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """List the flows that have deployments or ran lately, by name."""
    flows = await _deployments_by_flow(parts)
    names = [name for name in sorted(flows) if cursor is None or name > cursor]
    items = [
        {"id": derived_id("flow", name), "name": name, "deployments": flows[name]}
        for name in names[:limit]
    ]
    return page(items, names[limit - 1] if len(names) > limit else None)


async def _deployments_by_flow(parts: Parts) -> dict[str, list[str]]:
    runs, _ = await parts.runs.list(RunFilter(), limit=_RUNS_LOOKED_AT)
    flows: dict[str, list[str]] = {run.flow: [] for run in runs}
    for name in await parts.catalog.all("deployment"):
        flows.setdefault(name.partition("/")[0], []).append(name)
    return flows


@router.get("/workers")
async def list_workers(parts: Served) -> Response:
    """List the workers, by name; `seen` is when each last showed to be alive, in Unix ms."""
    return page(await workers(parts.store))


@router.get("/work-pools")
async def list_work_pools(parts: Served) -> Response:
    """List the work pools: how many runs wait in each queue, and how many workers serve it."""
    return page(await work_pools(parts.store))


async def workers(store: Store) -> list[dict[str, Any]]:
    """Return the workers' records."""
    stored = await store.execute("HGETALL", store.keys("workers"))
    return [from_json(stored[name]) for name in sorted(stored)]


async def work_pools(store: Store) -> list[dict[str, Any]]:
    """Return what is known of each pool that has a queue, a worker or both."""
    there = await workers(store)
    queues = await store.execute("SMEMBERS", store.keys("pools"))
    names = sorted({name.decode() for name in queues} | {each["pool"] for each in there})
    waiting = dict(zip(names, await _waiting(store, names), strict=True))
    return [
        {
            "id": derived_id("work-pool", name),
            "name": name,
            "queued": waiting[name],
            "workers": sum(each["pool"] == name for each in there),
            "running": sum(each["running"] for each in there if each["pool"] == name),
        }
        for name in names
    ]


async def _waiting(store: Store, pools: list[str]) -> list[int]:
    """Return how many runs wait in each pool's queue; a worker that takes one deletes its entry."""
    return await store.pipeline([("XLEN", store.keys("queue", name)) for name in pools])
