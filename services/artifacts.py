"""Artifacts as answers show them: of all runs or of one, the versions of a key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, TypeAlias

from pydantic_core import from_json

from upshot.events.exceptions import NotFound
from upshot.events.places import Place, newest_first
from upshot.events.store import Store

Artifact: TypeAlias = dict[str, Any]

_SHOWN_OF_TEXT = 200


class Artifacts:
    """The artifacts of a store; they are kept as long as the runs that made them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(
        self,
        *,
        run_id: str | None = None,
        key: str | None = None,
        kind: str | None = None,
        limit: int,
        before: Place | None = None,
    ) -> tuple[list[Artifact], Place | None]:
        """Return artifacts without their data, newest first, and after which place to go on."""
        found: list[Artifact] = []
        async for place, artifact in self._newest(_index(run_id, key), before):
            if not _fits(artifact, run_id, key, kind):
                continue
            if len(found) == limit:
                return found, before
            found.append({name: value for name, value in artifact.items() if name != "data"})
            before = place
        return found, None

    async def _newest(
        self, index: tuple[str, ...], before: Place | None
    ) -> AsyncIterator[tuple[Place, Artifact]]:
        key = self._store.keys(*index)
        async for places in newest_first(self._store, key, before=before):
            for place in places:
                if (artifact := await self._read(place.id)) is not None:
                    yield place, artifact

    async def find(self, id_or_key: str) -> Artifact:
        """Return an artifact with its data, by its id, or the latest one of a key.

        Raises:
            NotFound: there is none, or none any more.
        """
        if (found := await self._read(id_or_key.removeprefix("artifact."))) is not None:
            return found
        async for _, artifact in self._newest(("artifacts", "key", id_or_key), None):
            return artifact
        raise NotFound(f"no artifact has the id or key {id_or_key[:200]!r}")

    async def _read(self, identity: str) -> Artifact | None:
        stored = await self._store.execute("HGETALL", self._store.keys("artifact", identity))
        if not stored:
            return None
        data = from_json(stored[b"data"])
        return {
            **from_json(stored[b"doc"]),
            "version": int(stored[b"version"]) or None,
            "description": from_json(stored[b"description"]),
            "summary": summary(data),
            "created": moment(int(stored[b"created"])),
            "updated": moment(int(stored[b"updated"])),
            "data": data,
        }


def _index(run_id: str | None, key: str | None) -> tuple[str, ...]:
    """Return which list has the least to look through."""
    if run_id is not None:
        return ("artifacts", "run", run_id)
    return ("artifacts", "key", key) if key is not None else ("artifacts",)


def _fits(artifact: Artifact, run_id: str | None, key: str | None, kind: str | None) -> bool:
    wanted = (("flow_run", run_id), ("key", key), ("type", kind))
    return all(value is None or artifact[name] == value for name, value in wanted)


def summary(data: Any) -> str:
    """Return the data of an artifact in a line."""
    if isinstance(data, dict) and set(data) == {"link", "text"}:
        return str(data["link"])[:_SHOWN_OF_TEXT]
    if isinstance(data, list):
        return f"{len(data):,} rows"
    if isinstance(data, dict):
        return f"{len(next(iter(data.values()), [])):,} rows"
    if isinstance(data, float):
        return f"{data:g} %"
    return str(data).strip().partition("\n")[0][:_SHOWN_OF_TEXT]


def moment(ms: int) -> str:
    """Return Unix milliseconds as answers show times."""
    text = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
