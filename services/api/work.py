"""Who works and on what, over HTTP: flows, workers and work pools."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic_core import from_json
from starlette.responses import Response

from upshot.events.exceptions import NotFound
from upshot.events.ids import derived_id

from ..definitions.switching import WORK_POOL, switch, switch_queue
from ..work_pools import WorkPools
from ..worker.presence import worker_event
from .answers import Cursor, Limit, answer, page_by
from .parts import Parts, Served
from .routing import StrictRoute

router = APIRouter(prefix="/api/v1", tags=["work"], route_class=StrictRoute)


@router.get("/flows")
async def list_flows(parts: Served, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """List the flows that have deployments, or runs that the store knows, by name."""
    flows = await _deployments_by_flow(parts)
    items = [
        {"id": derived_id("flow", name), "name": name, "deployments": flows[name]}
        for name in sorted(flows)
    ]
    return page_by("name", items, limit, cursor)


async def _deployments_by_flow(parts: Parts) -> dict[str, list[str]]:
    names = await parts.store.execute("SMEMBERS", parts.store.keys("flows"))
    flows: dict[str, list[str]] = {name.decode(): [] for name in names}
    for name in await parts.catalog.all("deployment"):
        flows.setdefault(name.partition("/")[0], []).append(name)
    return flows


@router.get("/workers")
async def list_workers(parts: Served, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """List the workers, by name; `seen` is when each last showed to be alive, in Unix ms."""
    workers = await WorkPools(parts.store, parts.catalog).workers()
    return page_by("name", workers, limit, cursor)


@router.post("/workers/{name:path}/drain", status_code=202)
async def drain_worker(parts: Served, name: str) -> Response:
    """Ask a worker to take no more runs and to leave; what does not end in time is handed over."""
    stored = await parts.store.execute("HGET", parts.store.keys("workers"), name)
    if stored is None:
        raise NotFound(f"no worker is called {name[:200]!r}")
    record = from_json(stored)
    event = worker_event(name, "draining", record, "asked to leave")
    await parts.store.call("drain_worker", name, event.to_json())
    return answer({**record, "status": "draining"}, 202)


@router.get("/work-pools")
async def list_work_pools(parts: Served, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """List the work pools: how many runs wait, how many workers serve it, whether it is paused."""
    pools = await WorkPools(parts.store, parts.catalog).all()
    return page_by("name", pools, limit, cursor)


@router.get("/work-pools/{name:path}")
async def show_work_pool(parts: Served, name: str) -> Response:
    """Show a work pool, given by its name or id."""
    return await _shown(WorkPools(parts.store, parts.catalog), name)


@router.post("/work-pools/{name:path}/queues/{queue}/pause")
async def pause_work_queue(parts: Served, name: str, queue: str) -> Response:
    """Let no run of a pool's queue begin; those of other queues do, and running ones go on."""
    return await _switch_queue(parts, name, queue, True)


@router.post("/work-pools/{name:path}/queues/{queue}/resume")
async def resume_work_queue(parts: Served, name: str, queue: str) -> Response:
    """Let runs of a pool's queue begin again, also where its definition says that it is paused."""
    return await _switch_queue(parts, name, queue, False)


async def _switch_queue(parts: Parts, wanted: str, queue: str, paused: bool) -> Response:
    pools = WorkPools(parts.store, parts.catalog)
    pool = await pools.find(wanted)
    await switch_queue(parts.catalog, pool, await pools.find_queue(pool, queue), paused)
    return await _shown(pools, pool)


@router.post("/work-pools/{name:path}/pause")
async def pause_work_pool(parts: Served, name: str) -> Response:
    """Let the pool's workers take no new runs; they wait in its queue, and running ones go on."""
    return await _switch(parts, name, True)


@router.post("/work-pools/{name:path}/resume")
async def resume_work_pool(parts: Served, name: str) -> Response:
    """Let the pool's workers take runs again."""
    return await _switch(parts, name, False)


async def _switch(parts: Parts, wanted: str, paused: bool) -> Response:
    pools = WorkPools(parts.store, parts.catalog)
    name = await pools.find(wanted)
    await switch(parts.catalog, WORK_POOL, name, paused)
    return await _shown(pools, name)


async def _shown(pools: WorkPools, wanted: str) -> Response:
    name = await pools.find(wanted)
    return answer(next(pool for pool in await pools.all() if pool["name"] == name))
