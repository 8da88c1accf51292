"""Limits in use: how many slots each has, which runs have them, and which wait for some."""

from __future__ import annotations

from typing import Any

from upshot.events.exceptions import NotFound
from upshot.events.store import Store

from .definitions.catalog import Catalog
from .definitions.planning import Doc
from .definitions.switching import WORK_POOL


class LimitsInUse:
    """The limits of a store: defined by themselves, of deployments, of pools and their queues.

    Args:
        catalog: where they are defined.
    """

    def __init__(self, store: Store, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog

    async def all(self) -> list[dict[str, Any]]:
        """Return how far each limit is used, by name."""
        limits = await self._catalog.all("limit")
        for kind in ("deployment", WORK_POOL):
            for name, doc in (await self._catalog.all(kind)).items():
                limits = limits_of(kind, name, doc) | limits
        return [await self.use_of(name, limits[name]) for name in sorted(limits)]

    async def find(self, name: str) -> dict[str, Any] | None:
        """Return how far one limit is used; None where nothing limits."""
        kind, _, owner = name.partition(":")
        kind, owner = (
            (WORK_POOL, owner.partition("/")[0]) if kind == "work-queue" else (kind, owner)
        )
        try:
            return await self.use_of(name, await self._catalog.get("limit", name))
        except NotFound:
            pass
        try:
            doc = limits_of(kind, owner, await self._catalog.get(kind, owner)).get(name)
        except NotFound:
            return None
        return await self.use_of(name, doc) if doc else None

    async def use_of(self, name: str, limit: Doc) -> dict[str, Any]:
        """Return how far a limit is used, as answers show it."""
        held = await self._store.execute("HGETALL", self._store.keys("slots", name))
        used = sum(int(slots) for slots in held.values())
        line = await self._line(name, full=used >= limit["limit"])
        return {
            "name": name,
            "limit": limit["limit"],
            "slot_decay_per_second": limit.get("slot_decay_per_second"),
            "collision_strategy": limit.get("collision_strategy"),
            "active": limit.get("active", True),
            "used": used,
            "waiting": len(line),
            "holders": [{"run": run_of(token), "slots": int(n)} for token, n in held.items()],
            "line": [run_of(token) for token in line],
        }

    async def _line(self, name: str, *, full: bool) -> list[bytes]:
        """Return who waits: runs of a pool or queue that is full do so in their queues."""
        kind, _, owner = name.partition(":")
        if kind not in (WORK_POOL, "work-queue"):
            line: list[bytes] = await self._store.execute(
                "ZRANGE", self._store.keys("line", name), 0, -1
            )
            return line
        if not full:
            return []
        queues = [owner]
        if kind == WORK_POOL:
            members = await self._store.execute("SMEMBERS", self._store.keys("queues", owner))
            queues = sorted(f"{owner}/{member.decode()}" for member in members)
        lines = await self._store.pipeline(
            [("ZRANGE", self._store.keys("ready", queue), 0, -1) for queue in queues]
        )
        return [run for each in lines for run in each]


def limits_of(kind: str, name: str, doc: Doc) -> dict[str, Doc]:
    """Return the limits that the definition of a deployment or a pool brings along, by name."""
    limit = doc.get("concurrency_limit")
    found: dict[str, Doc] = {}
    if limit:
        found[f"{kind}:{name}"] = {"limit": limit} if isinstance(limit, int) else limit
    for queue in doc.get("queues") or []:
        if queue.get("limit"):
            found[f"work-queue:{name}/{queue['name']}"] = {"limit": queue["limit"]}
    return found


def run_of(token: bytes) -> str:
    """Return the id of the run that a token belongs to."""
    return token.decode().partition("/")[0]
