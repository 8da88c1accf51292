"""Pauses what can be paused, and lets it go on: automations, deployments, work pools."""

from __future__ import annotations

from typing import Final

from upshot.events.exceptions import Conflict, NotFound

from .catalog import ATTEMPTS, Catalog
from .once import Once
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
