"""Assets as answers show them: how they are, their checks, and what is made of what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from pydantic_core import from_json

from upshot.events.event import Event
from upshot.events.exceptions import NotFound
from upshot.events.places import Place, newest_first
from upshot.events.store import Store

from .artifacts import moment

AssetDoc: TypeAlias = dict[str, Any]
Direction: TypeAlias = Literal["upstream", "downstream"]

DEEPEST: Final = 20
MOST_NODES: Final = 1_000
"""Of one lineage, in one direction."""

_CHECK: Final = b"check:"


class Assets:
    """The assets of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(
        self, *, prefix: str = "", limit: int, before: Place | None = None
    ) -> tuple[list[AssetDoc], Place | None]:
        """Return assets, those first of which something was known last; and where to go on."""
        found: list[AssetDoc] = []
        key = self._store.keys("assets")
        async for places in newest_first(self._store, key, before=before):
            for place in places:
                if not place.id.startswith(prefix):
                    continue
                if len(found) == limit:
                    return found, before
                stored = await self._stored(place.id)
                if stored:
                    found.append(_shown(place.id, place.ms, stored))
                before = place
        return found, None

    async def find(self, key: str) -> AssetDoc:
        """Return an asset with what is right before and behind it.

        Raises:
            NotFound: nothing is known of it.
        """
        score = await self._store.execute("ZSCORE", self._store.keys("assets"), key)
        if score is None:
            raise NotFound(f"no asset is known by the key {key[:200]!r}")
        shown = _shown(key, int(float(score)), await self._stored(key))
        ways: tuple[Direction, Direction] = ("upstream", "downstream")
        return {**shown, **{way: await self._next(way, key) for way in ways}}

    async def materializations(self, key: str) -> list[dict[str, Any]]:
        """Return the latest materialisations of an asset, newest first, or raise NotFound."""
        await self.find(key)
        kept = await self._store.execute("LRANGE", self._store.keys("materializations", key), 0, -1)
        return [_materialization(entry) for entry in kept]

    async def lineage(self, key: str, direction: Direction, depth: int) -> dict[str, Any]:
        """Return a tree: each node has a ``key``, ``materialized`` or null, and its next ones.

        One that is met again is marked so, and told only once; so is a circle's.

        Raises:
            NotFound: nothing is known of it.
        """
        await self.find(key)
        return await self._tree(key, direction, depth, {key})

    async def _tree(
        self, key: str, direction: Direction, depth: int, met: set[str]
    ) -> dict[str, Any]:
        fields = await self._store.execute("HGET", self._store.keys("asset", key), "materialized")
        node: dict[str, Any] = {"key": key, "materialized": fields and _timed(fields)["at"]}
        following = await self._next(direction, key)
        if depth <= 0 or len(met) >= MOST_NODES:
            return {**node, "more": True} if following else {**node, direction: []}
        below = []
        new = [each for each in following if each not in met]
        met |= set(new)
        for each in following:
            again = {"key": each, "again": True}
            below.append(
                await self._tree(each, direction, depth - 1, met) if each in new else again
            )
        return {**node, direction: below}

    async def _next(self, direction: Direction, key: str) -> list[str]:
        members = await self._store.execute("SMEMBERS", self._store.keys(direction, key))
        return sorted(member.decode() for member in members)

    async def forget(self, key: str) -> None:
        """Forget what is known of an asset, with its event; NotFound as :meth:`find`."""
        event = Event(event="asset.deleted", resource={"id": key, "name": key})
        if not await self._store.call("forget_asset", key, event.to_json()):
            raise NotFound(f"no asset is known by the key {key[:200]!r}")

    async def _stored(self, key: str) -> Mapping[bytes, bytes]:
        fields: Mapping[bytes, bytes] = await self._store.execute(
            "HGETALL", self._store.keys("asset", key)
        )
        return fields


def _shown(key: str, known: int, stored: Mapping[bytes, bytes]) -> AssetDoc:
    checks = [_timed(value) for field, value in sorted(stored.items()) if field.startswith(_CHECK)]
    properties = from_json(stored.get(b"properties", b"{}"))
    return {
        "key": key,
        "name": properties.get("name") or key,
        "properties": properties,
        "version": int(stored.get(b"version", b"0")),
        "known": moment(known),
        "materialized": _timed(stored.get(b"materialized")),
        "failed": _timed(stored.get(b"failed")),
        "checks": checks,
        "health": health(stored.get(b"materialized"), stored.get(b"failed"), checks),
    }


def health(materialized: bytes | None, failed: bytes | None, checks: list[dict[str, Any]]) -> str:
    """Return how an asset is in a word: what was found out since it was last materialised counts.

    ``failed``, ``check failed``, ``check warned``, ``ok``, or ``referenced``: only others name it.
    """
    made = int(materialized.partition(b" ")[0]) if materialized else 0
    if failed and int(failed.partition(b" ")[0]) > made:
        return "failed"
    if not materialized:
        return "referenced"
    outcomes = {check["outcome"] for check in checks if check["ms"] >= made}
    return next((f"check {each}" for each in ("failed", "warned") if each in outcomes), "ok")


def _timed(value: bytes | None) -> Any:
    """Return what is known with its time."""
    if value is None:
        return None
    ms, _, body = value.partition(b" ")
    return {"at": moment(int(ms)), "ms": int(ms), **from_json(body)}


def _materialization(entry: bytes) -> dict[str, Any]:
    version, _, rest = entry.partition(b" ")
    return {"version": int(version), **_timed(rest)}
