"""Plans what applying definitions changes: decided purely, shown before anything is done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from pydantic_core import to_json

Doc: TypeAlias = dict[str, Any]
Definitions: TypeAlias = Mapping[str, Mapping[str, Doc]]
"""Kind → name → definition."""
Stored: TypeAlias = Mapping[str, Mapping[str, tuple[int, Doc | None]]]
"""Kind → name → version and definition; None for one that was deleted."""

_ABSENT: Final = object()


class Verb(StrEnum):
    """What applying a definition does."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that changes.

    Attributes:
        field: its path, such as ``trigger.within`` or ``actions.0.notify.title``.
        values: ``old`` and ``new``, each only where there is one.
    """

    field: str
    values: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {"field": self.field, **self.values}


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a plan: what becomes of one definition, and which of its fields differ.

    Attributes:
        version: of the stored definition; 0 where there never was one.
        doc: what is to be stored; None deletes. old: what is stored.
        told: the verb of its event, where that says more than ``verb``: ``paused``, ``resumed``.
        warnings: what may be wrong with it: ``kind name field message``.
    """

    kind: str
    name: str
    verb: Verb
    version: int
    doc: Doc | None
    old: Doc | None = None
    told: str | None = None
    warnings: tuple[Mapping[str, Any], ...] = ()

    @property
    def differences(self) -> list[Difference]:
        """The fields that differ, where both an old and a new definition are there."""
        if self.old is None or self.doc is None or self.verb is not Verb.UPDATED:
            return []
        return list(differences(self.old, self.doc))

    @property
    def fields(self) -> list[str]:
        """The names of the outermost fields that differ."""
        return sorted({each.field.partition(".")[0] for each in self.differences})

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "name": self.name,
            "change": self.verb.value,
            "fields": self.fields,
            "diff": [each.to_dict() for each in self.differences],
        }


def plan(wanted: Definitions, stored: Stored, *, prune: bool = False) -> list[Change]:
    """Decide what turns the stored definitions into the wanted ones.

    Args:
        wanted: what the files say. stored: what is there, with versions.
        prune: delete what is not wanted, among the kinds that ``wanted`` names.
    """
    changes = []
    for kind, docs in wanted.items():
        there = stored.get(kind, {})
        changes += [change_of(kind, name, doc, there.get(name)) for name, doc in docs.items()]
        if prune:
            changes += [
                Change(kind, name, Verb.DELETED, version, None, old)
                for name, (version, old) in there.items()
                if name not in docs and old is not None
            ]
    return changes


def change_of(kind: str, name: str, doc: Doc, stored: tuple[int, Doc | None] | None) -> Change:
    """Decide what storing a definition under a name changes."""
    version, old = stored or (0, None)
    if old is None:
        created = {key: value for key, value in doc.items() if key != "paused" or value}
        return Change(kind, name, Verb.CREATED, version, created)
    # A pause is not part of a definition: it stays until somebody resumes.
    paused = doc.get("paused", old.get("paused"))
    new = {key: value for key, value in doc.items() if key != "paused"}
    if paused:
        new["paused"] = True
    verb = Verb.UPDATED if any(differences(old, new)) else Verb.UNCHANGED
    return Change(kind, name, verb, version, new, old)


def pausing(kind: str, name: str, version: int, doc: Doc, paused: bool) -> Change | None:
    """Decide what pausing or resuming changes; None where it is so already."""
    if bool(doc.get("paused")) == paused:
        return None
    new = {key: value for key, value in doc.items() if key != "paused"}
    if paused:
        new["paused"] = True
    return Change(kind, name, Verb.UPDATED, version, new, told="paused" if paused else "resumed")


def queue_pausing(
    kind: str, name: str, version: int, is_paused: bool, paused: bool
) -> Change | None:
    """Decide what pausing or resuming a pool's queue changes; None where it is so already.

    What is said of it stays as it is said, as the pool's definition may say the contrary.
    """
    if is_paused == paused:
        return None
    told = "paused" if paused else "resumed"
    return Change(kind, name, Verb.UPDATED, version, {"name": name, "paused": paused}, told=told)


def promotion(name: str, version: int, doc: Doc) -> Change | None:
    """Decide what makes a shadow a real automation; None where it is one."""
    if not doc.get("shadow"):
        return None
    return Change("automation", name, Verb.UPDATED, version, {**doc, "shadow": False}, doc)


def identity(changes: Iterable[Change]) -> str:
    """Return what tells this plan from any other: the same changes to the same versions."""
    told = [
        (each.kind, each.name, each.verb.value, each.version, each.doc)
        for each in changes
        if each.verb is not Verb.UNCHANGED
    ]
    return hashlib.sha256(to_json(sorted(told, key=lambda one: one[:2]))).hexdigest()[:24]


def differences(old: Any, new: Any, field: str = "") -> Iterator[Difference]:
    """Yield what differs between two values: fields of mappings, and items of lists of mappings."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _within(old.get(key, _ABSENT), new.get(key, _ABSENT), _path(field, key))
    elif _comparable(old) and _comparable(new):
        for index in range(max(len(old), len(new))):
            item, other = (each[index] if index < len(each) else _ABSENT for each in (old, new))
            yield from _within(item, other, _path(field, index))
    elif not _same(old, new):
        yield Difference(field, {"old": old, "new": new})


def _same(old: Any, new: Any) -> bool:
    """Tell whether two values are the same JSON: ``true`` is not 1 there, and 1.0 not 1."""
    return json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)


def _within(old: Any, new: Any, field: str) -> Iterator[Difference]:
    if old is _ABSENT:
        yield Difference(field, {"new": new})
    elif new is _ABSENT:
        yield Difference(field, {"old": old})
    else:
        yield from differences(old, new, field)


def _path(field: str, key: str | int) -> str:
    return f"{field}.{key}" if field else str(key)


def _comparable(value: Any) -> bool:
    """Tell whether a list is compared item by item; one of plain values is shown whole."""
    return isinstance(value, list) and bool(value) and all(isinstance(x, dict) for x in value)
