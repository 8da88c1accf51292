"""The page of work pools: their queues, who waits in them, and the workers that serve them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from .. import work
from ..parts import Served
from .rendering import PageRoute, back, page, told

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_MOST = 1000


@router.get("/work")
async def show(parts: Served) -> Response:
    """Show the work pools and the workers."""
    pools: list[dict[str, Any]] = (await told(work.list_work_pools(parts, limit=_MOST)))["items"]
    workers: list[dict[str, Any]] = (await told(work.list_workers(parts, limit=_MOST)))["items"]
    live = "/live?event=flow-run.*,worker.*,work-pool.*"
    return page("work.html", pools=pools, workers=workers, live=live)


@router.post("/work/{name:path}/queues/{queue}/pause")
async def pause_queue(parts: Served, name: str, queue: str) -> Response:
    """Let no run of a pool's queue begin."""
    await work.pause_work_queue(parts, name, queue)
    return back("/work")


@router.post("/work/{name:path}/queues/{queue}/resume")
async def resume_queue(parts: Served, name: str, queue: str) -> Response:
    """Let runs of a pool's queue begin again."""
    await work.resume_work_queue(parts, name, queue)
    return back("/work")


@router.post("/work/{name:path}/pause")
async def pause(parts: Served, name: str) -> Response:
    """Let the pool's workers take no new runs."""
    await work.pause_work_pool(parts, name)
    return back("/work")


@router.post("/work/{name:path}/resume")
async def resume(parts: Served, name: str) -> Response:
    """Let the pool's workers take runs again."""
    await work.resume_work_pool(parts, name)
    return back("/work")
