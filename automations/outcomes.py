"""What an evaluation yields besides firings: what was held back, ended, or must be asked first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

from upshot.events.event import Recorded

from .conditions.condition import Answers
from .conditions.lookups import Question
from .control.candidate import Candidate
from .definition import Automation
from .firing import Firing, Occasion
from .triggers import Reason

By: TypeAlias = tuple[str, Automation, int]
"""Who decided: an automation's id, its definition, and which version of it."""


@dataclass(slots=True, frozen=True)
class Resolution:
    """The end of an incident.

    Attributes:
        automation_id: whose it is. automation: its name. version: which version of it decided.
        labels: of the incident's bucket.
        incident: ``id status count opened``.
        event: the event that ended it.
        at: when, in the log's milliseconds.
        shadow: whether it is that of an automation that only records.
    """

    automation_id: str
    automation: str
    version: int
    labels: dict[str, str]
    incident: dict[str, Any]
    event: Recorded
    at: int
    shadow: bool = False

    @classmethod
    def of(cls, by: By, labels: dict[str, str], incident: dict[str, Any], event: Recorded) -> Self:
        """Return the end of an incident, by an event.

        Args:
            by: the id, the definition and the version of the automation.
            labels: of the incident's bucket. incident: ``id status count opened``.
        """
        identity, automation, version = by
        return cls(
            automation_id=identity,
            automation=automation.name,
            version=version,
            labels=labels,
            incident=incident,
            event=event,
            at=event.received,
            shadow=automation.shadow,
        )


@dataclass(slots=True, frozen=True)
class Asked:
    """A candidate whose conditions wait for what look-ups find.

    Attributes:
        automation_id: whose it is.
        candidate: what it is about.
        questions: what has to be answered; none where it only waits for another one's answers.
        answers: what was answered before.
    """

    automation_id: str
    candidate: Candidate
    questions: tuple[Question, ...]
    answers: Answers = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Suppression:
    """A firing that did not happen, or an automation that could not be evaluated.

    Attributes:
        automation_id: whose it is.
        automation: its name.
        version: which version of its definition decided.
        bucket: which bucket, as far as it was found out.
        reason: why.
        event: the event it was about; None for an absence.
        at: when, in the log's milliseconds.
        message: more, for people.
        stage: which part of control held it back, if one did. key: which of its keys.
        labels: the bucket's values, by ``for_each`` entry, as far as they were found out.
        conditions: the conditions and how they came out.
        told: how many of its kind the event of it speaks for; 0 where it is only counted.
        shadow: whether it is that of an automation that only records.
        caused_by: id of the event that led here, if any did. causation: the way that led there.
    """

    automation_id: str
    automation: str
    version: int
    bucket: str
    reason: Reason
    event: Recorded | None
    at: int
    message: str = field(default="")
    stage: str = ""
    key: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    conditions: tuple[dict[str, Any], ...] = ()
    told: int = 1
    shadow: bool = False
    caused_by: str | None = None
    causation: dict[str, Any] | None = None

    @classmethod
    def on(cls, occasion: Occasion, by: By, reason: Reason, message: str, told: int) -> Self:
        """Return what becomes of a trigger's firing that must not be, or of a decision that failed.

        Args:
            by: the id, the definition and the version of the automation.
        """
        return cls(
            automation_id=by[0],
            automation=by[1].name,
            version=by[2],
            bucket=occasion.bucket,
            reason=reason,
            event=occasion.event,
            at=occasion.at,
            message=message,
            told=told,
            shadow=by[1].shadow,
            caused_by=occasion.caused_by,
            causation=occasion.causation,
        )

    @classmethod
    def of(
        cls,
        candidate: Candidate,
        by: By,
        reason: Reason,
        message: str,
        stage: str,
        key: str,
        told: int,
    ) -> Self:
        """Return what becomes of a candidate that control ends.

        Args:
            by: the id, the definition and the version of the automation.
        """
        identity, automation, version = by
        return cls(
            automation_id=identity,
            automation=automation.name,
            version=version,
            bucket=candidate.bucket,
            reason=reason,
            event=candidate.event,
            at=candidate.at,
            message=message,
            stage=stage,
            key=key,
            labels=candidate.labels,
            conditions=candidate.conditions,
            told=told,
            shadow=automation.shadow,
            caused_by=candidate.caused_by,
            causation=candidate.causation,
        )


Outcome: TypeAlias = Firing | Suppression | Resolution | Asked
"""What comes of an event, or of a deadline."""
