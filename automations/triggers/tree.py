"""The triggers within a trigger, each under the key that its windows are kept by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .base import Facts, Fired
from .composite import CompositeTrigger

if TYPE_CHECKING:
    from .kinds import AnyTrigger


@dataclass(slots=True, frozen=True)
class Place:
    """Where a trigger stands within an automation's.

    Attributes:
        path: empty for the outermost one; else the places on the way to it, ``0.2``, in hex.
        trigger: the trigger.
        parent: the path of the trigger that it is a part of; None for the outermost one.
        index: its place among that one's parts.
        depth: how many others it lies within.
    """

    path: str
    trigger: AnyTrigger
    parent: str | None = None
    index: int = 0
    depth: int = 0


def node_key(automation_id: str, path: str) -> str:
    """Return what a trigger's windows are kept under: ``<automation>`` or ``<automation>#<path>``.

    Keys of one automation sort as its triggers stand.
    """
    return f"{automation_id}#{path}" if path else automation_id


def bucket_in(trigger: AnyTrigger, facts: Facts) -> str:
    """Return the name of the bucket of a trigger that an event falls into by itself."""
    if isinstance(trigger, CompositeTrigger):
        return trigger.bucket_of(Fired(facts.received, facts.position, (), {}, facts))
    return trigger.bucket(facts)


def walk(trigger: AnyTrigger) -> Iterator[Place]:
    """Yield a trigger and all within it, each before its parts."""
    yield from _walk(Place("", trigger))


def _walk(place: Place) -> Iterator[Place]:
    yield place
    if isinstance(place.trigger, CompositeTrigger):
        for index, part in enumerate(place.trigger.parts):
            path = f"{place.path}.{index:x}" if place.path else f"{index:x}"
            yield from _walk(Place(path, part, place.path, index, place.depth + 1))


def kept_on_edit(before: AnyTrigger, after: AnyTrigger) -> dict[str, bool]:
    """Tell for each trigger of ``after``, by path, whether it keeps what ``before`` remembered."""
    earlier = {place.path: place.trigger for place in walk(before)}
    return {place.path: place.trigger == earlier.get(place.path) for place in walk(after)}
