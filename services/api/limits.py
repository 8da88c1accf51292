"""Limits in use, over HTTP: who has slots and who waits; and taking slots away."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from upshot.events.store import Store

from ..definitions.catalog import Doc
from ..definitions.switching import WORK_POOL
from .answers import Cursor, Limit, answer, page_by
from .parts import Parts, Served

router = APIRouter(prefix="/api/v1", tags=["limits"])


@router.get("/limits-in-use")
async def list_use(parts: Served, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """List the limits, those of deployments and pools as well: slots used, and by which runs."""
    limits = await _limits(parts)
    used = [await use_of(parts.store, name, limits[name]) for name in sorted(limits)]
    return page_by("name", used, limit, cursor)


@router.post("/limits/{name:path}/reset")
async def reset_limit(parts: Served, name: str) -> Response:
    """Take the slots of a limit from all that have some; those who wait are served."""
    released = await parts.store.call("reset_limit", name)
    return answer({"name": name, "released": released})


async def _limits(parts: Parts) -> dict[str, Doc]:
    limits = await parts.catalog.all("limit")
    for name, doc in (await parts.catalog.all("deployment")).items():
        if doc.get("concurrency_limit"):
            limits.setdefault(f"deployment:{name}", doc["concurrency_limit"])
    for name, doc in (await parts.catalog.all(WORK_POOL)).items():
        if doc.get("concurrency_limit"):
            limits.setdefault(f"work-pool:{name}", {"limit": doc["concurrency_limit"]})
    return limits


async def use_of(store: Store, name: str, limit: Doc) -> dict[str, Any]:
    """Return how far a limit is used, as answers show it."""
    held, line = await store.pipeline(
        [
            ("HGETALL", store.keys("slots", name)),
            ("ZRANGE", store.keys("line", name), 0, -1),
        ]
    )
    return {
        "name": name,
        "limit": limit["limit"],
        "slot_decay_per_second": limit.get("slot_decay_per_second"),
        "collision_strategy": limit.get("collision_strategy"),
        "active": limit.get("active", True),
        "used": sum(int(slots) for slots in held.values()),
        "waiting": len(line),
        "holders": [{"run": run_of(token), "slots": int(n)} for token, n in held.items()],
        "line": [run_of(token) for token in line],
    }


def run_of(token: bytes) -> str:
    """Return the id of the run that a token belongs to."""
    return token.decode().partition("/")[0]
