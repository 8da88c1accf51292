"""Pauses what can be paused, and lets it go on: automations, deployments, work pools, queues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from upshot.events.exceptions import NotFound

from ..once import Once
from .catalog import Catalog
from .planning import Change, Doc, pausing, queue_pausing
from .versions import definition_in

WORK_POOL: Final = "work-pool"
WORK_QUEUE: Final = "work-queue"
"""What somebody has said of a pool's queue, as ``<pool>/<queue>``; its definition is the pool's."""


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
    return await _change(
        catalog, kind, name, lambda version, doc: pausing(kind, name, version, doc, paused), once
    )


async def switch_queue(catalog: Catalog, pool: str, queue: str, paused: bool) -> bool:
    """Pause a queue of a pool, or let it go on, whatever the pool's definition says of it.

    Raises:
        Conflict: somebody else keeps changing it.
    """
    try:
        queues = (await catalog.get(WORK_POOL, pool)).get("queues") or []
    except NotFound:
        queues = []
    declared = any(each["name"] == queue and each.get("paused") for each in queues)
    name = queue_name(pool, queue)
    return await _change(
        catalog,
        WORK_QUEUE,
        name,
        lambda version, doc: queue_pausing(
            WORK_QUEUE, name, version, doc.get("paused", declared), paused
        ),
    )


def queue_name(pool: str, queue: str) -> str:
    """Return what a queue is called outside of its pool."""
    return f"{pool}/{queue}"


async def _change(
    catalog: Catalog,
    kind: str,
    name: str,
    decide: Callable[[int, Doc], Change | None],
    once: Once | None = None,
) -> bool:
    async def decided() -> list[Change]:
        change = decide(*await _stored(catalog, kind, name))
        return [] if change is None else [change]

    return bool(
        await catalog.change(decided, f"{kind} {name} keeps changing; try again", once=once)
    )


async def _stored(catalog: Catalog, kind: str, name: str) -> tuple[int, Doc]:
    try:
        return await catalog.version(kind, name)
    except NotFound:
        if kind not in (WORK_POOL, WORK_QUEUE):
            raise
        return 0, {"name": name}


def says_paused(stored: bytes | None) -> bool:
    """Tell whether a pool's definition, as the store has it, says that it is paused."""
    return bool(definition_in(stored).get("paused"))
