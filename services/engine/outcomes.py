"""What a firing turns into: its record, the dispatcher's entry, its events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import to_json

from upshot.automations.firing import Firing
from upshot.automations.outcomes import Suppression
from upshot.automations.triggers import Reason
from upshot.events.event import Recorded
from upshot.events.exceptions import InvalidEvent
from upshot.events.store import Argument

from .telling import Actions, fired_event, of_control, triggered_event

MAX_ENTRY_BYTES: Final = 2 * 1024 * 1024
"""Bodies of contributing events beyond this are left out of an actions entry, oldest first."""


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
    cause = firing.event or (events[-1] if events else None)
    told = [fired_event(firing, actions, cause)]
    if not firing.shadow:
        told += [triggered_event(firing, index, action) for index, action in enumerate(actions)]
    doc = to_json(_document(firing, actions, events, cause))
    entry = b"" if firing.shadow else to_json(_entry(firing, actions, events, cause))
    return FiringRecord(firing.id, firing.automation_id, firing.at, doc, entry, told)


def _document(
    firing: Firing, actions: Actions, events: Sequence[Recorded], cause: Recorded | None
) -> dict[str, Any]:
    return {
        **firing.summary(),
        "cause": cause and cause.id,
        "events": [event.id for event in events],
        "actions": [next(iter(action)) for action in actions],
        "causation": firing.causation.model_dump(),
        "conditions": list(firing.conditions),
        "replaces": list(firing.replaces),
    }


def _entry(
    firing: Firing, actions: Actions, events: Sequence[Recorded], cause: Recorded | None
) -> dict[str, Any]:
    """Return what the dispatcher is given; ``at`` and ``received`` in the log's milliseconds."""
    return {
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
        "received": firing.event.received if firing.event else firing.at,
        "cause": cause and cause.id,
        "events": [event.body for event in fitting(events)],
        "actions": list(actions),
        "causation": firing.causation.model_dump(),
        "next": 0,
        "attempt": 0,
        **of_control(firing),
    }


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
