"""The catalog: what people defined (automations, deployments, receivers, …), kept in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from pydantic_core import from_json, to_json

from upshot.events.event import Event
from upshot.events.exceptions import Conflict, NotFound
from upshot.events.ids import derived_id
from upshot.events.store import Argument, Store

Doc: TypeAlias = dict[str, Any]
Definitions: TypeAlias = Mapping[str, Mapping[str, Doc]]
"""Kind → name → definition."""

KINDS: Final = ("automation", "deployment", "webhook", "receiver", "variable")
SECRET_KINDS: Final = frozenset({"webhook", "receiver", "variable"})
"""Kinds whose definitions may hold secrets: their events tell the name only."""

_ATTEMPTS = 10


class Verb(StrEnum):
    """What applying a definition does."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a plan: what becomes of one definition, and which of its fields differ."""

    kind: str
    name: str
    verb: Verb
    version: int
    doc: Doc | None
    fields: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "change": self.verb.value,
            "fields": list(self.fields),
        }


Stored: TypeAlias = dict[str, dict[str, tuple[int, Doc]]]


def plan(wanted: Definitions, stored: Stored, *, prune: bool = False) -> list[Change]:
    """Decide what turns the stored definitions into the wanted ones.

    Args:
        wanted: what the files say. stored: what is there, with versions.
        prune: delete what is not wanted, among the kinds that ``wanted`` names.
    """
    changes = []
    for kind, docs in wanted.items():
        there = stored.get(kind, {})
        changes += [_change(kind, name, doc, there.get(name)) for name, doc in docs.items()]
        if prune:
            gone = [name for name in there if name not in docs]
            changes += [Change(kind, name, Verb.DELETED, there[name][0], None) for name in gone]
    return changes


def _change(kind: str, name: str, doc: Doc, stored: tuple[int, Doc] | None) -> Change:
    if stored is None:
        return Change(kind, name, Verb.CREATED, 0, doc)
    version, old = stored
    # A pause is not part of a definition: it stays until somebody resumes.
    new = {**doc, "paused": True} if old.get("paused") else doc
    fields = tuple(sorted(key for key in {*old, *new} if old.get(key) != new.get(key)))
    return Change(kind, name, Verb.UPDATED if fields else Verb.UNCHANGED, version, new, fields)


class Catalog:
    """Definitions in the store; every change comes with its event.

    Args:
        store: where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def all(self, kind: str) -> dict[str, Doc]:
        """Return every definition of a kind by name."""
        return {name: doc for name, (_, doc) in (await self.versions(kind)).items()}

    async def versions(self, kind: str) -> dict[str, tuple[int, Doc]]:
        """Return every definition of a kind by name, with its version."""
        stored = await self._store.execute("HGETALL", self._store.keys("docs", kind))
        return {name.decode(): _parse(value) for name, value in sorted(stored.items())}

    async def get(self, kind: str, name: str) -> Doc:
        """Return one definition.

        Raises:
            NotFound: there is none of that name.
        """
        return (await self.version(kind, name))[1]

    async def version(self, kind: str, name: str) -> tuple[int, Doc]:
        """Return one definition with its version, or raise NotFound."""
        value = await self._store.execute("HGET", self._store.keys("docs", kind), name)
        if value is None:
            raise NotFound(f"no {kind} is called {name!r}")
        return _parse(value)

    async def apply(
        self, wanted: Definitions, *, prune: bool = False, dry_run: bool = False
    ) -> list[Change]:
        """Make the stored definitions the wanted ones, all or nothing; return what that changes.

        Raises:
            Conflict: somebody else keeps changing them.
        """
        for _ in range(_ATTEMPTS):
            stored = {kind: await self.versions(kind) for kind in wanted}
            changes = plan(wanted, stored, prune=prune)
            due = [change for change in changes if change.verb is not Verb.UNCHANGED]
            if dry_run or not due:
                return changes
            try:
                await self._put(due)
            except Conflict:
                continue
            return changes
        raise Conflict("the definitions keep changing; apply again")

    async def delete(self, kind: str, name: str) -> None:
        """Delete one definition, or raise NotFound."""
        version, _ = await self.version(kind, name)
        await self._put([Change(kind, name, Verb.DELETED, version, None)])

    async def pause(self, kind: str, name: str, paused: bool = True) -> Doc:
        """Pause or resume an automation or a deployment; return its definition."""
        version, doc = await self.version(kind, name)
        if bool(doc.get("paused")) == paused:
            return doc
        new = {key: value for key, value in doc.items() if key != "paused"}
        if paused:
            new["paused"] = True
        verb = "paused" if paused else "resumed"
        await self._put([Change(kind, name, Verb.UPDATED, version, new)], verb)
        return new

    async def _put(self, changes: list[Change], verb: str | None = None) -> None:
        arguments: list[Argument] = []
        for change in changes:
            doc = b"" if change.doc is None else to_json(change.doc)
            event = definition_event(change, verb or change.verb.value)
            arguments += [change.kind, change.name, change.version, doc, event.to_json()]
        await self._store.call("put", *arguments)


def definition_event(change: Change, verb: str) -> Event:
    """Return the event that tells of a change; the engine learns an automation from it."""
    payload: dict[str, Any] = {"version": change.version + 1, "fields": list(change.fields)}
    if change.kind not in SECRET_KINDS:
        payload["definition"] = change.doc
    identity = f"{change.kind}.{derived_id(change.kind, change.name)}"
    return Event(
        event=f"{change.kind}.{verb}",
        resource={"id": identity, "name": change.name},
        payload=payload,
    )


def _parse(value: bytes) -> tuple[int, Doc]:
    version, _, body = value.partition(b" ")
    return int(version), from_json(body)
