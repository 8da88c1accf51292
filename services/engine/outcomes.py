"""What a decision turns into: the firing's record, the dispatcher's entry, the events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import to_json

from upshot.automations.control.candidate import OWN
from upshot.automations.definition import Branch
from upshot.automations.firing import Firing
from upshot.automations.outcomes import Resolution, Suppression
from upshot.automations.triggers import Reason
from upshot.events.event import Causation, Event, Recorded
from upshot.events.exceptions import InvalidEvent
from upshot.events.ids import derived_id
from upshot.events.own import own_event
from upshot.events.store import Argument

MAX_ENTRY_BYTES: Final = 2 * 1024 * 1024
"""Bodies of contributing events beyond this are left out of an actions entry, oldest first."""

MAX_MESSAGE: Final = 2000
MAX_TOLD_LABELS: Final = 32
MAX_TOLD_CHARACTERS: Final = 8 * 1024
"""What the engine's own events repeat of a resource: they must fit whatever the resource has."""

Actions = Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class FiringRecord:
    """A firing as the commit writes it: its document, the dispatcher's entry, its events.

    That of a shadow has no entry: nobody acts on it.

    Attributes:
        automation: id of the one that fired. at: when, in the log's milliseconds.
    """

    id: str
    automation: str
    at: int
    doc: bytes
    entry: bytes
    events: list[bytes]

    def arguments(self) -> list[Argument]:
        about: list[Argument] = [self.id, self.automation, self.at]
        return [*about, self.doc, self.entry, len(self.events), *self.events]


def record(firing: Firing, actions: Actions, events: Sequence[Recorded]) -> FiringRecord:
    """Put a firing into the form in which it is committed.

    Args:
        firing: the decision.
        actions: the automation's actions as data.
        events: the contributing events that are still to be had, oldest first.
    """
    received = firing.event.received if firing.event else firing.at
    cause = firing.event or (events[-1] if events else None)
    summary = firing.summary()
    told = [fired_event(firing, actions, cause)]
    if not firing.shadow:
        told += [triggered_event(firing, index, action) for index, action in enumerate(actions)]
    doc = {
        **summary,
        "cause": cause and cause.id,
        "events": [event.id for event in events],
        "actions": [next(iter(action)) for action in actions],
        "causation": firing.causation.model_dump(),
        "conditions": list(firing.conditions),
        "replaces": list(firing.replaces),
    }
    entry = {
        "firing": firing.id,
        "automation": {
            "id": firing.automation_id,
            "name": firing.automation,
            "version": firing.version,
        },
        "bucket": firing.bucket,
        "labels": firing.labels,
        "positions": firing.positions,
        "value": firing.value,
        "reason": firing.reason.value,
        "at": firing.at,
        "received": received,
        "cause": cause and cause.id,
        "events": [event.body for event in fitting(events)],
        "actions": list(actions),
        "causation": doc["causation"],
        "next": 0,
        "attempt": 0,
        **_of_control(firing),
    }
    due = b"" if firing.shadow else to_json(entry)
    return FiringRecord(firing.id, firing.automation_id, firing.at, to_json(doc), due, told)


def _of_control(firing: Firing) -> dict[str, Any]:
    """Return what control made of a firing, as far as it made anything of it."""
    made: dict[str, Any] = {}
    if firing.branch is not Branch.ACTIONS:
        made["branch"] = firing.branch.value
    if firing.batch > 1:
        made["batch"] = firing.batch
    if firing.incident is not None:
        made["incident"] = firing.incident
    if firing.replaces:
        made["replaces"] = list(firing.replaces)
    if firing.stoppable:
        made["stoppable"] = True
    return made


def fitting(events: Sequence[Recorded]) -> list[Recorded]:
    """Return the newest of the events that fit into an entry together."""
    kept: list[Recorded] = []
    size = 0
    for event in reversed(events):
        size += len(to_json(event.body)) if len(events) > 1 else 0
        if size > MAX_ENTRY_BYTES:
            break
        kept.append(event)
    return kept[::-1]


def automation_resource(automation_id: str, name: str) -> dict[str, str]:
    """Return an automation as a resource."""
    return {"id": f"automation.{automation_id}", "name": name}


def told_name(verb: str, shadow: bool) -> str:
    """Return the name of an event by which an automation tells what it decided.

    Those of a shadow have names of their own: who waits for ``automation.fired`` means real ones.
    """
    return f"automation.shadow-{verb}" if shadow else f"automation.{verb}"


def as_trigger(resource: dict[str, str]) -> dict[str, str]:
    """Return a resource as a related one of what it set off: with its first labels, if many."""
    told, left = {"id": resource["id"], "role": "trigger"}, MAX_TOLD_CHARACTERS
    name = {"name": resource["name"]} if "name" in resource else {}
    for label, value in {**name, **resource}.items():
        left -= len(label) + len(value)
        if left < 0 or len(told) == MAX_TOLD_LABELS:
            break
        told.setdefault(label, value)
    return told


def fired_event(firing: Firing, actions: Actions, cause: Recorded | None) -> bytes:
    """Return ``automation.fired``."""
    return own_event(
        told_name("fired", firing.shadow),
        event_id=derived_id("fired", firing.id),
        resource=automation_resource(firing.automation_id, firing.automation),
        related=[as_trigger(cause.resource)] if cause else [],
        payload={
            "firing": firing.id,
            "version": firing.version,
            "reason": firing.reason.value,
            "bucket": firing.labels,
            "positions": firing.positions,
            "actions": [next(iter(action)) for action in actions],
            **_of_control(firing),
        },
        follows=cause.id if cause else None,
        causation=firing.causation,
    )


def triggered_event(firing: Firing, index: int, action: dict[str, Any]) -> bytes:
    """Return ``action.triggered`` for the action at ``index``."""
    kind = next(iter(action))
    automation = automation_resource(firing.automation_id, firing.automation)
    return own_event(
        "action.triggered",
        event_id=derived_id("triggered", firing.id, str(index)),
        resource={
            "id": f"action.{firing.id}.{index}",
            "type": kind,
            "automation": firing.automation,
        },
        related=[{**automation, "role": "automation"}],
        payload={"firing": firing.id, "index": index, "type": kind},
        follows=derived_id("fired", firing.id),
        causation=firing.causation,
    )


def untold(firing: Firing, error: ValueError | InvalidEvent) -> Suppression:
    """Return the suppression of a firing whose record could not be made."""
    return Suppression(
        firing.automation_id,
        firing.automation,
        firing.version,
        firing.bucket,
        Reason.ERROR,
        firing.event,
        firing.at,
        f"the firing can't be recorded: {error}",
        shadow=firing.shadow,
        caused_by=firing.event.id if firing.event else None,
        causation=firing.event.body.get("causation") if firing.event else None,
    )


def resolved_event(resolution: Resolution) -> Event:
    """Return ``automation.resolved``."""
    incident, event = resolution.incident, resolution.event
    return Event(
        id=derived_id("resolved", incident["id"]),
        event=told_name("resolved", resolution.shadow),
        resource=automation_resource(resolution.automation_id, resolution.automation),
        related=[as_trigger(event.resource)],
        payload={
            "version": resolution.version,
            "bucket": resolution.labels,
            "incident": incident,
        },
        follows=event.id,
        causation=_causation(event.body.get("causation")),
    )


def suppressed_event(suppression: Suppression) -> Event | None:
    """Return ``automation.suppressed``; None where telling would go round for ever, or flood."""
    event = suppression.event
    if not suppression.told or (event is not None and event.name.startswith(OWN)):
        return None
    return Event(
        event=told_name("suppressed", suppression.shadow),
        resource=automation_resource(suppression.automation_id, suppression.automation),
        related=[as_trigger(event.resource)] if event else [],
        payload={
            "version": suppression.version,
            "reason": suppression.reason.value,
            "bucket": suppression.bucket,
            "message": suppression.message[:MAX_MESSAGE],
            "suppressed": suppression.told,
            **_held_back_by(suppression),
        },
        follows=suppression.caused_by,
        causation=_causation(suppression.causation),
    )


def _held_back_by(suppression: Suppression) -> dict[str, Any]:
    """Return which part of control it was, if it was control."""
    if not suppression.stage:
        return {}
    conditions = list(suppression.conditions)
    told = {"conditions": conditions} if conditions else {"key": suppression.key}
    return {"stage": suppression.stage, **told}


def _causation(way: dict[str, Any] | None) -> Causation | None:
    try:
        return Causation.model_validate(way) if way else None
    except ValidationError:  # an entry that came into the log by other means than ours
        return None
