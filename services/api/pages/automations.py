"""The pages of automations and of what they decided: each firing, why, and what became of it."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from .. import firings
from ..kinds import Kind
from ..parts import Served
from .rendering import PageRoute, back, page, told

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_KIND: Final = Kind("automations")
_FIRINGS: Final = 30


@router.get("/automations")
async def list_automations(parts: Served, cursor: str = "") -> Response:
    """Show the automations, by name, and what fired lately."""
    found = await told(_KIND.list_all(parts, cursor=cursor or None))
    fired = await told(firings.list_firings(parts, limit=_FIRINGS))
    return page(
        "automations.html",
        automations=found["items"],
        next=found["next"],
        firings=fired["items"],
        live="/live?event=automation.*,action.*",
    )


@router.get("/automations/{name:path}")
async def show(parts: Served, request: Request, name: str) -> Response:
    """Show an automation as it is defined, and its firings."""
    found = await told(_KIND.show_one(request, parts, name))
    fired = await told(firings.list_firings(parts, automation=found["name"], limit=_FIRINGS))
    live = f"/live?concerning=automation.{found['id']}"
    return page("automation.html", automation=found, firings=fired["items"], live=live)


@router.post("/automations/{name:path}/pause")
async def pause(parts: Served, name: str) -> Response:
    """Let it decide nothing until it is resumed."""
    await _KIND.pause(parts, name)
    return back(f"/automations/{quote(name, safe='')}")


@router.post("/automations/{name:path}/resume")
async def resume(parts: Served, name: str) -> Response:
    """Let it decide again."""
    await _KIND.resume(parts, name)
    return back(f"/automations/{quote(name, safe='')}")


@router.get("/firings/{firing}")
async def show_firing(parts: Served, firing: str) -> Response:
    """Show a firing: why, of which events, and what became of its actions."""
    found = await told(firings.show_firing(parts, firing))
    events = await told(firings.list_events_of_firing(parts, firing, limit=_FIRINGS))
    return page("firing.html", firing=found, events=events["items"], live=None)
