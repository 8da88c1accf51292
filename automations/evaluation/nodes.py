"""The automations in force and the triggers within them, each with its place in the index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..control.controls import Controls
from ..control.pipeline import Pipeline
from ..definition import Automation
from ..index import Index
from ..logtime import OpenTime
from ..triggers import Facts, Memory, Place, bucket_in, node_key, walk
from ..windows import OpenWindows


class Defined(StrEnum):
    """What became of an automation's windows when it was defined."""

    NEW = "new"
    KEPT = "kept"
    PARTLY = "partly kept"
    RESET = "reset"
    DISABLED = "disabled"


@dataclass(slots=True)
class Entry:
    """An automation in force, with its triggers, the outermost one first, and its control."""

    automation: Automation
    version: int
    id: str
    pipeline: Pipeline | None = None
    nodes: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Node:
    """One trigger of an automation in force.

    Attributes:
        key: what its windows are kept under.
        trigger: a kind of trigger.
        windows: its windows by bucket, to be read.
        parent: the trigger that it is a part of; None for the outermost one.
        index: its place among that one's parts.
        depth: how many others it lies within.
    """

    entry: Entry
    key: str
    trigger: Any
    windows: dict[str, Memory]
    parent: Node | None
    index: int
    depth: int

    def bucket(self, facts: Facts) -> str:
        """Return the name of the bucket that an event falls into by itself."""
        return bucket_in(self.trigger, facts)


class Nodes:
    """The automations in force, by id, and their triggers, by key.

    Args:
        windows: what the triggers remember. time: the gaps known so far.
        controls: the stages of the automations' control.
    """

    def __init__(self, windows: OpenWindows, time: OpenTime, controls: Controls) -> None:
        self._windows = windows
        self._controls = controls
        self._time = time
        self._entries: dict[str, Entry] = {}
        self._nodes: dict[str, Node] = {}
        self.index: Index[Node] = Index()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, automation_id: str) -> bool:
        return automation_id in self._entries

    def __getitem__(self, key: str) -> Node:
        return self._nodes[key]

    def ids(self) -> Iterator[str]:
        """Yield the ids of the automations in force."""
        yield from self._entries

    def of(self, automation_id: str) -> Iterator[Node]:
        """Yield an automation's triggers, the outermost one first; none if it is not in force."""
        entry = self._entries.get(automation_id)
        yield from entry.nodes if entry is not None else ()

    def define(self, automation: Automation, version: int, position_ms: int) -> Defined:
        """Put an automation in force; see ``Evaluator.define``."""
        identity = automation.id
        before = len(list(self.of(identity)))
        places = list(walk(automation.trigger)) if automation.enabled else []
        kept = self._keep(identity, places)
        self._entries.pop(identity, None)
        if not automation.enabled:
            self._controls.remove(identity, position_ms)
            return Defined.DISABLED
        same_trigger = len(kept) == len(places)
        fate = self._controls.define(automation, version, same_trigger, position_ms)
        pipeline = self._controls.pipeline(identity)
        entry = self._entries[identity] = Entry(automation, version, identity, pipeline)
        for place in places:
            self._plant(entry, place, None if place.path in kept else position_ms)
        return _fate(before, fate.before, len(kept) + fate.kept, len(places) + fate.now)

    def remove(self, automation_id: str, position_ms: int) -> None:
        """Take an automation out of force and close its windows; see ``Evaluator.remove``."""
        self._keep(automation_id, [])
        self._controls.remove(automation_id, position_ms)
        self._entries.pop(automation_id, None)

    def _keep(self, automation_id: str, places: list[Place]) -> set[str]:
        """Take out the triggers that change; return the paths of those that don't."""
        there = {node.key: node.trigger for node in self.of(automation_id)}
        keys = {node_key(automation_id, place.path): place for place in places}
        kept = {key for key, place in keys.items() if there.get(key) == place.trigger}
        for key in there.keys() - kept:
            del self._nodes[key]
            self.index.remove(key)
            self._windows.disown(key)
        return {keys[key].path for key in kept}

    def _plant(self, entry: Entry, place: Place, begins: int | None) -> None:
        """Put a trigger in its place; ``begins`` says when, in ms, if it is new there."""
        key = node_key(entry.id, place.path)
        there = self._nodes.get(key)
        # One that is kept has its parts compiled already.
        trigger: Any = there.trigger if there is not None else place.trigger
        parent = None if place.parent is None else self._nodes[node_key(entry.id, place.parent)]
        windows = self._windows.own(key, trigger)
        node = Node(entry, key, trigger, windows, parent, place.index, place.depth)
        self._nodes[key] = node
        entry.nodes.append(node)
        if (interest := trigger.interest()) is not None:
            self.index.add(key, interest, node)
        if begins is not None and trigger.begins_when_defined:
            self._windows.put((key, ""), trigger.begin(begins, self._time))


def _fate(triggers: int, stages: int, kept: int, now: int) -> Defined:
    """Return what became of an automation's windows: so many were there, are kept and are now."""
    if not triggers:
        return Defined.NEW
    if not kept:
        return Defined.RESET
    return Defined.KEPT if kept == now == triggers + stages else Defined.PARTLY
