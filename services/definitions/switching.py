"""Pauses what can be paused, and lets it go on: automations, deployments, work pools."""

from __future__ import annotations

from typing import Final

from pydantic_core import from_json

from upshot.events.exceptions import Conflict, NotFound
from upshot.events.store import Store

from ..once import Once
from .catalog import ATTEMPTS, Catalog
from .planning import Doc, pausing

WORK_POOL: Final = "work-pool"


async def switch(
    catalog: Catalog, kind: str, name: str, paused: bool, *, once: Once | None = None
) -> bool:
    """Pause something, or let it go on; tell whether that changed anything.

    Args:
        once: the action that does it, if one does.

    Raises:
        NotFound: there is none of that name. A work pool is there as soon as it is spoken of.
        Conflict: somebody else keeps changing it.
    """
    for _ in range(ATTEMPTS):
        version, doc = await _stored(catalog, kind, name)
        change = pausing(kind, name, version, doc, paused)
        if change is None:
            return False
        try:
            await catalog.commit([change], once=once)
        except Conflict:
            continue
        return True
    raise Conflict(f"{kind} {name} keeps changing; try again")


async def _stored(catalog: Catalog, kind: str, name: str) -> tuple[int, Doc]:
    try:
        return await catalog.version(kind, name)
    except NotFound:
        if kind != WORK_POOL:
            raise
        return 0, {"name": name}


async def is_paused(store: Store, pool: str) -> bool:
    """Tell whether a pool is paused: what its workers ask before they take a run."""
    stored = await store.execute("HGET", store.keys("docs", WORK_POOL), pool)
    return says_paused(stored)


def says_paused(stored: bytes | None) -> bool:
    """Tell whether a pool's definition, as the store has it, says that it is paused."""
    return stored is not None and bool(from_json(stored.partition(b" ")[2]).get("paused"))
