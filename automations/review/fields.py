"""Finds fields of events that a definition reads and that events of the kind don't have.

definition → what it reads, each with its place → what recorded events have → what is missing
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from ..actions import BaseAction
from ..definition import Automation
from ..expressions.expression import Expression
from ..suggestions import did_you_mean
from ..templates.template import Template
from ..triggers import walk

MOST_KEYS: Final = 1_000
"""Keys of one object that are told apart: an object with more has keys that are data."""

_KEYS: Final = frozenset({"for_each", "key", "per"})
_ALWAYS: Final = ("id", "event", "occurred", "resource", "related", "payload", "follows")
_MAYBE: Final = ("causation",)
_SKIPPED: Final = frozenset({"tests", "resolve"})


@dataclass(slots=True, frozen=True)
class Read:
    """A field of events that a definition reads.

    Attributes:
        place: where it does, ``actions.0.notify.title``. written: how it calls it.
        path: where it is in an event: ``("payload", "attempt")``, ``("role:flow", "name")``.
    """

    place: str
    written: str
    path: tuple[str, ...]


@dataclass(slots=True)
class Known:
    """What events have: the keys of an object, and of the objects in it.

    Attributes:
        keys: by name. open: whether there may be others, or none of them tells.
    """

    keys: dict[str, Known] = field(default_factory=dict)
    open: bool = False

    def add(self, value: Any) -> None:
        """Learn from one more value what there may be."""
        if not isinstance(value, dict):
            self.open = True
            return
        for key, inner in value.items():
            self.keys.setdefault(key, Known()).add(inner)
        self.open = self.open or len(self.keys) > MOST_KEYS

    def lacks(self, path: Iterable[str]) -> tuple[str, frozenset[str]] | None:
        """Return the first step of a path that is not there, and the keys that are instead."""
        known = self
        for step in path:
            if step not in known.keys:
                return None if known.open else (step, frozenset(known.keys))
            known = known.keys[step]
        return None


def known_of(events: Iterable[Mapping[str, Any]]) -> Known:
    """Return what events have, those of one or several kinds."""
    known = Known()
    for body in events:
        known.add(dict(body))
        for resource in body.get("related") or ():
            known.keys.setdefault(f"role:{resource.get('role', '')}", Known()).add(resource)
    for key in (*_ALWAYS, *_MAYBE):
        known.keys.setdefault(key, Known(open=True))
    return known


def names_of(automation: Automation) -> list[str]:
    """Return the names and globs of the events that an automation waits for."""
    interests = (place.trigger.interest() for place in walk(automation.trigger))
    return [name for each in interests if each is not None for name in each.names]


def reads_of(automation: Automation) -> list[Read]:
    """Return what a definition reads of events."""
    found = [
        each
        for name in type(automation).model_fields
        if name not in _SKIPPED
        for each in _reads(getattr(automation, name), name)
    ]
    return list(dict.fromkeys(found))


def missing(reads: Iterable[Read], known: Known, told: str) -> Iterator[dict[str, Any]]:
    """Yield a warning for each field that is read and that no event has.

    Args:
        told: which events were looked at, for people.
    """
    for read in reads:
        if (lack := known.lacks(read.path)) is not None:
            step, there = lack
            hint = did_you_mean(_bare(step), set(map(_bare, there)))
            yield {"field": read.place, "message": f"{read.written}: none of {told} has it{hint}"}


def _bare(step: str) -> str:
    return step.removeprefix("role:")


def _reads(value: Any, place: str) -> Iterator[Read]:
    """Yield what a part of a definition reads, and what all within it do."""
    if isinstance(value, Template | Expression):
        for path in value.needed:
            if len(path) > 1 and path[0] == "event":
                yield Read(place, ".".join(path), path[1:])
    elif isinstance(value, BaseModel):
        inner = f"{place}.{value.type}" if isinstance(value, BaseAction) else place
        for name, info in type(value).model_fields.items():
            below = getattr(value, name)
            if name in _KEYS and isinstance(below, tuple):
                yield from (_of_key(f"{inner}.{name}", entry) for entry in below)
            else:
                yield from _reads(below, f"{inner}.{info.alias or name}")
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _reads(each, f"{place}.{name}")
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from _reads(each, f"{place}.{number}")


def _of_key(place: str, entry: str) -> Read:
    """Return what an entry of ``for_each``, ``key`` or ``per`` reads."""
    if entry.startswith("related:"):
        _, role, label = entry.split(":", 2)
        return Read(place, entry, (f"role:{role}", label))
    if entry.startswith("payload."):
        return Read(place, entry, tuple(entry.split(".")))
    return Read(place, entry, ("resource", entry.removeprefix("resource.")))
