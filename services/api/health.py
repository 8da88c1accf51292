"""Whether each part is well, and how far behind it is: ``/healthz`` and ``/readyz``."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from upshot.events.exceptions import EventsError
from upshot.events.store import Store

from .answers import answer
from .parts import Served
from .snapshot import Snapshot, take

router = APIRouter(tags=["health"])

_NEEDED: Final = ("store", "engine")
"""Parts without which events are not acted upon."""

_BELATED_MS: Final = 5_000
"""Timers later than this show that nobody looks after them."""

_UNARCHIVED_MS: Final = 30_000
"""Events that wait longer for the database show that it can't be written."""

_MOST_TOLD: Final = 10

Part = dict[str, Any]


@router.get("/healthz")
async def alive() -> Response:
    """Tell that this process serves requests; nothing else is asked."""
    return answer({"status": "alive"})


@router.get("/readyz")
async def ready(parts: Served) -> Response:
    """Tell of each part whether it is ready, and its lag; 503 unless events are acted upon."""
    found = await readiness(parts.store)
    return answer(found, 200 if found["status"] == "ready" else 503)


async def readiness(store: Store) -> Part:
    """Return ``status`` (``ready`` or ``not ready``) and ``parts``."""
    try:
        parts = judge(await take(store))
    except EventsError as error:
        parts = {"store": {"ready": False, "error": str(error)}}
    well = all(parts.get(name, {}).get("ready") for name in _NEEDED)
    return {"status": "ready" if well else "not ready", "parts": parts}


def judge(seen: Snapshot) -> dict[str, Part]:
    """Decide of each part whether it is ready; pure."""
    queued = sum(seen.queued.values())
    return {
        "store": {"ready": True, "ms": round(seen.took, 1)},
        "engine": {
            "ready": seen.engine_owned,
            "epoch": int(seen.engine.get("epoch", 0)),
            "lag": seen.unread,
            "lag_ms": seen.engine_lag,
        },
        "dispatcher": {
            "ready": seen.dispatchers > 0,
            "lag": seen.actions,
            "in_hand": seen.taken,
            "parked": seen.later,
            "dead_letters": seen.dead_letters,
        },
        "scheduler": {"ready": seen.overdue < _BELATED_MS, "late_ms": seen.overdue},
        **({"archiver": _archiver(seen)} if seen.archives else {}),
        **({"automations": _unreadable(seen)} if seen.unreadable else {}),
        "workers": {
            "ready": bool(seen.workers) or not queued,
            "workers": len(seen.workers),
            "queued": queued,
            "running": sum(worker["running"] for worker in seen.workers),
            **({"paused": ", ".join(seen.paused)} if seen.paused else {}),
            **({"do": "start one: upshot worker start"} if queued and not seen.workers else {}),
        },
    }


def _unreadable(seen: Snapshot) -> Part:
    """Return what to do about automations that another version of Upshot has defined."""
    told = list(seen.unreadable[:_MOST_TOLD])
    return {
        "ready": False,
        "out_of_force": len(seen.unreadable),
        "why": told,
        "do": "apply them anew as this version of Upshot has them",
    }


def _archiver(seen: Snapshot) -> Part:
    return {
        "ready": seen.archiver_owned and seen.archiver_lag < _UNARCHIVED_MS,
        "lag": seen.unarchived,
        "lag_ms": seen.archiver_lag,
    }
