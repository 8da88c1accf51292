"""The events by which the engine tells what it decided: fired, triggered, resolved, suppressed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import ValidationError

from upshot.automations.control.candidate import OWN
from upshot.automations.definition import Branch
from upshot.automations.firing import Firing
from upshot.automations.outcomes import Resolution, Suppression
from upshot.events.event import Causation, Event, Recorded
from upshot.events.ids import derived_id
from upshot.events.own import own_event

MAX_MESSAGE: Final = 2000
MAX_TOLD_LABELS: Final = 32
MAX_TOLD_CHARACTERS: Final = 8 * 1024
"""What the engine's own events repeat of a resource: they must fit whatever the resource has."""

Actions = Sequence[dict[str, Any]]


def of_control(firing: Firing) -> dict[str, Any]:
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
            **of_control(firing),
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
