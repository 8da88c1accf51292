"""Limits in use, over HTTP: who has slots and who waits; and taking slots away."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from ..limits import LimitsInUse
from .answers import Cursor, Limit, answer, page_by
from .parts import Served
from .routing import StrictRoute

router = APIRouter(prefix="/api/v1", tags=["limits"], route_class=StrictRoute)


@router.get("/limits-in-use")
async def list_use(parts: Served, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """List the limits, those of deployments, pools and queues too: slots used, by which runs."""
    return page_by("name", await LimitsInUse(parts.store, parts.catalog).all(), limit, cursor)


@router.post("/limits/{name:path}/reset")
async def reset_limit(parts: Served, name: str) -> Response:
    """Take the slots of a limit from all that have some; those who wait are served."""
    released = await parts.store.call("reset_limit", name)
    return answer({"name": name, "released": released})
