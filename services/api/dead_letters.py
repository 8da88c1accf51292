"""Dead letters over HTTP: actions that were given up, to look at, try again or throw away."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from pydantic_core import from_json, to_json
from starlette.responses import Response

from upshot.events.event import Causation, Event
from upshot.events.exceptions import NotFound
from upshot.events.ids import derived_id
from upshot.events.store import Store

from ..exceptions import Refused
from .answers import Cursor, Limit, answer, page
from .event_log import position_of
from .parts import Served
from .routing import StrictRoute

router = APIRouter(prefix="/api/v1/dead-letters", tags=["dead letters"], route_class=StrictRoute)

Letter = dict[str, Any]

_SINCE: Final[Letter] = {"to": None}
"""What letters of older versions lack."""


@router.get("")
async def list_letters(parts: Served, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """List dead letters, newest first: which action was given up, and why."""
    items = await latest(parts.store, limit=limit, before=position_of("cursor", cursor))
    return page(items, items[-1]["id"] if len(items) == limit else None)


@router.get("/{letter}")
async def show_letter(parts: Served, letter: str) -> Response:
    """Show a dead letter, with the entry that a replay puts back."""
    return answer(await _read(parts.store, letter))


@router.post("/{letter}/replay", status_code=202)
async def replay(parts: Served, letter: str) -> Response:
    """Do a given-up action again, under the same idempotency key."""
    found = await _read(parts.store, letter)
    if not found.get("entry"):
        detail = "nothing can be done again: what was given up here could not be read"
        raise Refused(409, "not-replayable", detail)
    firing, index = str(found.get("firing", "")), str(found.get("index", ""))
    event = replayed_event(letter, found).to_json()
    entry = to_json(found["entry"])
    if not await parts.store.call("replay", letter, entry, firing, index, event):
        raise _gone(letter)
    return answer({"id": letter, "replayed": True}, 202)


@router.delete("/{letter}")
async def delete(parts: Served, letter: str) -> Response:
    """Throw a dead letter away."""
    if not await parts.store.execute("XDEL", parts.store.keys("dead-letters"), _id(letter)):
        raise _gone(letter)
    return Response(status_code=204)


def replayed_event(letter: str, found: Letter) -> Event:
    """Return ``action.replayed``."""
    entry, firing, index = found["entry"], str(found.get("firing", "")), str(found.get("index", ""))
    causation = entry.get("causation")
    automation = str(found.get("automation", ""))[:1024]
    return Event(
        id=derived_id("action.replayed", letter),
        event="action.replayed",
        resource={
            "id": f"action.{firing}.{index}",
            "type": str(found.get("type", "")),
            "automation": automation,
        },
        payload={"firing": firing, "index": found.get("index"), "letter": letter},
        follows=derived_id("triggered", firing, index),
        causation=Causation.model_validate(causation) if causation else None,
    )


async def latest(store: Store, *, limit: int, before: str | None = None) -> list[Letter]:
    """Return dead letters, newest first, without their entries."""
    high = f"({before}" if before else "+"
    key = store.keys("dead-letters")
    stored = await store.execute("XREVRANGE", key, high, "-", "COUNT", limit)
    return [
        {name: value for name, value in _letter(entry).items() if name != "entry"}
        for entry in stored
    ]


async def _read(store: Store, letter: str) -> Letter:
    stored = await store.execute("XRANGE", store.keys("dead-letters"), _id(letter), letter)
    if not stored:
        raise _gone(letter)
    return _letter(stored[0])


def _letter(entry: Any) -> Letter:
    return {"id": entry[0].decode(), **_SINCE, **from_json(entry[1][1])}


def _id(letter: str) -> str:
    try:
        return position_of("id", letter) or ""
    except Refused as refusal:
        raise _gone(letter) from refusal


def _gone(letter: str) -> NotFound:
    return NotFound(f"no dead letter has the id {letter[:100]!r}; it may have been replayed")
