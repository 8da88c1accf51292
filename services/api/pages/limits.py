"""The page of limits: how many slots each has, who holds them, and who waits."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from .. import limits
from ..parts import Served
from .rendering import PageRoute, page, told

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/limits")
async def show(parts: Served, cursor: str = "") -> Response:
    """Show the limits that are defined, those of deployments and pools as well."""
    found = await told(limits.list_use(parts, cursor=cursor or None))
    live = "/live?event=flow-run.*,limit.*"
    return page("limits.html", limits=found["items"], next=found["next"], live=live)
