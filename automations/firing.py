"""What an evaluation yields: a firing, or the suppression of one, each with its reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from upshot.events.event import Causation, Recorded
from upshot.events.ids import derived_id

from .control.candidate import Candidate
from .definition import Automation, Branch
from .triggers import Reason


def firing_id(automation_id: str, bucket: str, cause: str, branch: Branch = Branch.ACTIONS) -> str:
    """Return the id that this firing always has, however often it is decided."""
    if branch is Branch.ACTIONS:
        return derived_id("firing", automation_id, bucket, cause)
    return derived_id("firing", automation_id, bucket, cause, branch.value)


@dataclass(slots=True, frozen=True)
class Occasion:
    """What a decision was about: an event, or the end of a window.

    Attributes:
        bucket: the bucket in question.
        cause: what the firing's id is derived from.
        at: when, in the log's milliseconds.
        event: the event; None at a window's end.
        caused_by: id of the event that led here, if any did.
        causation: the way that led to that event.
    """

    bucket: str
    cause: str
    at: int
    event: Recorded | None
    caused_by: str | None
    causation: dict[str, Any] | None

    @classmethod
    def of_event(cls, bucket: str, event: Recorded) -> Self:
        causation = event.body.get("causation")
        return cls(bucket, event.position, event.received, event, event.id, causation)

    @property
    def passed(self) -> Mapping[str, int]:
        """How often each automation was passed on the way."""
        automations: Mapping[str, int] = (self.causation or {}).get("automations", {})
        return automations


@dataclass(slots=True, frozen=True)
class Firing:
    """An automation's decision to act.

    Attributes:
        id: the same whenever the same cause is decided again.
        automation_id: whose decision it is.
        automation: its name.
        version: which version of its definition decided.
        bucket: which ``for_each`` bucket fired.
        labels: the bucket's values, by ``for_each`` entry.
        reason: what the trigger fired on, such as ``threshold_reached`` or ``absent``.
        positions: where the contributing events stand in the log, oldest first.
        event: the event that fired it; None for an absence: then the last of ``positions``, if
            any, is the event that opened the window.
        causation: the way that led here, this firing included.
        at: when it fired, in the log's milliseconds.
        value: what was measured, where the trigger is a metric.
        shadow: whether it is recorded only: none of its actions is done.
        branch: which of the automation's lists of actions is carried out.
        batch: how many firings of the trigger it stands for.
        incident: the incident that it belongs to: ``id status count opened``.
        conditions: the automation's conditions and how they came out.
        replaces: ids of the firings that are stopped for it.
        stoppable: whether a later firing may stop it.
    """

    id: str
    automation_id: str
    automation: str
    version: int
    bucket: str
    labels: dict[str, str]
    reason: Reason
    positions: tuple[str, ...]
    event: Recorded | None
    causation: Causation
    at: int
    value: float | None = None
    shadow: bool = False
    branch: Branch = Branch.ACTIONS
    batch: int = 1
    incident: dict[str, Any] | None = None
    conditions: tuple[dict[str, Any], ...] = ()
    replaces: tuple[str, ...] = ()
    stoppable: bool = False

    def summary(self) -> dict[str, Any]:
        """Return what templates and the default webhook body call ``firing``."""
        return {
            "id": self.id,
            "automation": self.automation,
            "automation_id": self.automation_id,
            "version": self.version,
            "bucket": self.bucket,
            "labels": self.labels,
            "reason": self.reason.value,
            "positions": list(self.positions),
            "at": self.at,
            "value": self.value,
            "shadow": self.shadow,
            "branch": self.branch.value,
            "batch": self.batch,
            "incident": self.incident,
        }

    def to_json(self) -> bytes:
        """Return the firing whole, its event included."""
        event = self.event and {
            "position": self.event.position,
            "received": self.event.received,
            "body": self.event.body,
        }
        causation = self.causation.model_dump(mode="json")
        control = {
            "conditions": self.conditions,
            "replaces": self.replaces,
            "stoppable": self.stoppable,
        }
        whole = {**self.summary(), **control, "event": event, "causation": causation}
        return json.dumps(whole, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, body: bytes | str) -> Self:
        """Read what :meth:`to_json` wrote."""
        whole = json.loads(body)
        whole["reason"] = Reason(whole["reason"])
        whole["branch"] = Branch(whole["branch"])
        for name in ("positions", "conditions", "replaces"):
            whole[name] = tuple(whole[name])
        whole["event"] = whole["event"] and Recorded(**whole["event"])
        whole["causation"] = Causation.model_validate(whole["causation"])
        return cls(**whole)


def come_about(
    automation_id: str,
    automation: Automation,
    version: int,
    candidate: Candidate,
    branch: Branch = Branch.ACTIONS,
    reason: Reason | None = None,
) -> Firing:
    """Return the firing that a candidate becomes once nothing stands in its way.

    Args:
        automation_id: its id. automation: whose trigger it is; version: which version of it.
        candidate: what came through control.
        branch: which actions are carried out. reason: why, if not for the trigger's reason.
    """
    identity = firing_id(automation_id, candidate.bucket, candidate.cause, branch)
    causation = Causation.model_validate(candidate.causation or {})
    acts = branch is Branch.ACTIONS
    return Firing(
        id=identity,
        automation_id=automation_id,
        automation=automation.name,
        version=version,
        bucket=candidate.bucket,
        labels=candidate.labels,
        reason=reason or candidate.reason,
        positions=candidate.positions,
        event=candidate.event,
        causation=causation.passing(candidate.caused_by or identity, automation_id),
        at=candidate.at,
        value=candidate.value,
        shadow=automation.shadow,
        branch=branch,
        batch=candidate.count,
        incident=candidate.incident,
        conditions=candidate.conditions,
        replaces=candidate.replaces if acts else (),
        stoppable=acts and automation.control.mode == "restart",
    )
