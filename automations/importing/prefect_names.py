"""How Prefect's names of events, labels and resources are called here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from upshot.flows.states import NAMES

from .notes import Notes

_LABELS: Final = {
    "prefect.resource.id": "id",
    "prefect.resource.name": "name",
    "prefect.resource.role": "role",
    "prefect.name": "name",
    "prefect.state-name": "state",
}
_EVENTS: Final = {
    "prefect.automation.triggered": "automation.fired",
    "prefect.automation.resolved": "automation.resolved",
    "prefect.automation.created": "automation.created",
    "prefect.automation.updated": "automation.updated",
    "prefect.automation.deleted": "automation.deleted",
    "prefect.automation.action.triggered": "action.triggered",
    "prefect.automation.action.executed": "action.succeeded",
    "prefect.automation.action.failed": "action.failed",
    "prefect.deployment.created": "deployment.created",
    "prefect.deployment.updated": "deployment.updated",
    "prefect.deployment.deleted": "deployment.deleted",
    "prefect.flow-run.*": "flow-run.*",
    "prefect.task-run.*": "task-run.*",
    "prefect.worker.started": "worker.online",
    "prefect.worker.stopped": "worker.offline",
}
_RUN_EVENT: Final = re.compile(r"prefect\.(flow-run|task-run)\.([A-Za-z]+)")
_OWN_NAME: Final = re.compile(r"[a-z0-9*][a-z0-9_.*-]*")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_OBJECT: Final = re.compile(r"prefect\.([a-z-]+)\.(.+)")
_BY_NAME: Final = frozenset({"deployment", "flow", "work-pool"})
"""Kinds whose objects are known by their names here, which their events carry as a label."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the ids in an export stand for.

    Attributes:
        given: id in Prefect → name here, as whoever imports knows it.
    """

    given: Mapping[str, str] = field(default_factory=dict)

    def of(self, identity: Any, what: str, notes: Notes) -> str:
        """Return the name of what an id stands for; the id itself where nobody told."""
        known = self.given.get(str(identity))
        if known is None:
            notes.add(
                f"{what} {identity} is known by that id to Prefect alone: "
                f"say what it is called here (--name {identity}=NAME)",
                weakens=True,
            )
        return known or str(identity)


@dataclass(frozen=True, slots=True)
class EventNames:
    """Event names, with the states that they stood for.

    Attributes:
        names: as they are called here.
        states: names of states that the resource's ``state`` label must have; none for any.
        exact: whether all of the names stood for states of runs.
    """

    names: tuple[str, ...]
    states: frozenset[str]
    exact: bool


def event_names(names: Iterable[str], notes: Notes) -> EventNames:
    """Return what events are called here.

    Prefect names a run's event by the name of its state, Upshot by its type: where a type has
    states that were not meant, the ``state`` label has to tell them apart.
    """
    found: list[str] = []
    states: set[str] = set()
    others = False
    for name in names:
        run = _RUN_EVENT.fullmatch(name)
        if run and run[2] in NAMES:
            states.add(run[2])
            found.append(f"{run[1]}.{NAMES[run[2]].value.lower()}")
        else:
            others = True
            found.append(_other(name, notes))
    meant = {NAMES[state] for state in states}
    whole = {name for name, kind in NAMES.items() if kind in meant} == states
    unique = tuple(dict.fromkeys(found))
    return EventNames(unique, frozenset() if whole else frozenset(states), not others)


def _other(name: str, notes: Notes) -> str:
    if name in _EVENTS:
        return _EVENTS[name]
    made = name.removeprefix("prefect.") if name.startswith("prefect.") else name
    made = re.sub(r"[^a-z0-9_.*-]", "-", made.lower())
    if name.startswith(("prefect.", "prefect-cloud.")):
        notes.add(f"Upshot itself emits no event that means '{name}'; '{made}' is expected instead")
    elif made != name:
        notes.add(f"event names are lower case here: '{name}' is expected as '{made}'")
    return made if _OWN_NAME.fullmatch(made) else "*"


def labels(spec: Mapping[str, Any], names: Names, notes: Notes) -> dict[str, Any]:
    """Return the labels that a resource must have, as they are called here."""
    made: dict[str, Any] = {}
    for label, wanted in spec.items():
        with notes.at(label):
            ours = label_name(label, notes)
            if ours is None:
                continue
            values = wanted if isinstance(wanted, list) else [wanted]
            pairs = [_value(ours, str(value), names, notes) for value in values]
            for key, value in pairs:
                made.setdefault(key, []).append(value)
    return {key: values[0] if len(values) == 1 else values for key, values in made.items()}


def label_name(label: str, notes: Notes) -> str | None:
    """Return what a label is called here; None where nothing equals it."""
    if label in _LABELS:
        return _LABELS[label]
    if label.startswith("prefect."):
        notes.add(f"no label here equals '{label}': it is left out", weakens=True)
        return None
    return label


def _value(label: str, value: str, names: Names, notes: Notes) -> tuple[str, str]:
    """Return the label and the value that a value of Prefect's stands for."""
    negated = "!" if value.startswith("!") else ""
    bare = value.removeprefix("!")
    found = _OBJECT.fullmatch(bare) if label == "id" else None
    if not found:
        return label, value
    kind, identity = found.groups()
    if not _UUID.fullmatch(identity):
        return label, f"{negated}{kind}.{identity}"
    name = names.of(identity, kind, notes)
    if kind in _BY_NAME and name != identity:
        return "name", f"{negated}{name}"
    return label, f"{negated}{kind}.{name}"


def for_each(entries: Iterable[str], notes: Notes) -> list[str]:
    """Return the labels whose values have a bucket each."""
    made = []
    for entry in entries:
        prefix, _, label = entry.rpartition(":")
        ours = label_name(label, notes)
        if ours is not None:
            made.append(f"{prefix}:{ours}" if prefix else ours)
    return made
