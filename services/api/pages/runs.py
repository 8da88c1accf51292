"""The page that lists runs: of a flow, of a deployment, in a state, a page at a time."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from upshot.flows.states import NAMES

from .. import runs
from ..parts import Served
from .rendering import PageRoute, page, told

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_SHOWN = 50
_SPANS = {"1h": "the last hour", "1d": "the last day", "7d": "the last week"}


@router.get("/runs")
async def list_runs(
    parts: Served,
    flow: str = "",
    deployment: str = "",
    state: str = "",
    parent: str = "",
    since: str = "",
    cursor: str = "",
) -> Response:
    """Show runs, newest first; ``since`` is a time, or how long ago they were made at most."""
    asked = {"flow": flow, "deployment": deployment, "state": state, "parent": parent}
    wanted = {name: value or None for name, value in asked.items()}
    found = await told(
        runs.list_runs(parts, **wanted, since=since or None, limit=_SHOWN, cursor=cursor or None)
    )
    live = "/live?event=flow-run.*" if not cursor else None
    return page(
        "runs.html",
        runs=found["items"],
        next=found["next"],
        asked={**asked, "since": since},
        states=NAMES,
        spans={**_SPANS, since: _SPANS.get(since, since)} if since else _SPANS,
        live=live,
    )
