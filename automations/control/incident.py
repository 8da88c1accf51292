"""Incident: what is the matter from its first firing until an event says that it is over."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self

from pydantic import model_validator

from upshot.events.event import Recorded
from upshot.events.ids import derived_id

from ..triggers.base import Due, Facts, Interest, Reason
from ..triggers.explaining import Check, Checks
from ..triggers.selection import Named, Names, Selecting
from ..triggers.window import NEVER
from .base import Kept, Ruling, Stage, passing
from .candidate import Candidate


@dataclass(slots=True, frozen=True)
class Incident(Kept):
    """An incident that is open.

    Attributes:
        id: always the same for the same first firing. since: when it was opened, in the log's ms.
        count: how many firings it has seen. labels: of its bucket.
        first: the position of the last event of its first firing; empty where it had none.
    """

    id: str = ""
    since: int = 0
    count: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    first: str = ""

    @property
    def opened(self) -> int:
        return self.since

    def told(self, status: str) -> dict[str, Any]:
        """Return what templates call ``firing.incident``."""
        return {"id": self.id, "status": status, "count": self.count, "opened": self.since}

    def unheard(self, bucket: str) -> Candidate:
        """Return the firing of its end, which will never be."""
        told = self.told("resolved")
        return Candidate(bucket, self.labels, Reason.RESOLVED, (), "", self.since, incident=told)

    def over(self, bucket: str, event: Recorded) -> Candidate:
        """Return the firing of its end, with the event that ended it and that of its beginning."""
        first = (self.first,) if self.first and self.first != event.position else ()
        return Candidate(
            bucket=bucket,
            labels=self.labels,
            reason=Reason.RESOLVED,
            positions=(*first, event.position),
            cause=event.position,
            at=event.received,
            caused_by=event.id,
            causation=event.body.get("causation"),
            incident=self.told("resolved"),
            event=event,
        )


class Resolve(Selecting):
    """The events that end an incident.

    Attributes:
        expect: names or globs of the events; empty means all that ``match``.
        match: labels of the resource.
        match_related: one or several specs, each satisfied by some related resource.
        where: a CEL condition on ``event``; where it can't be evaluated the event doesn't match.
    """

    expect: Names = ()

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if not self.expect and not (self.match or self.match_related):
            raise ValueError("an empty 'expect' needs a 'match': it would take every event")
        return self

    @cached_property
    def _named(self) -> Named:
        return Named(self.expect or ("*",))

    def interest(self) -> Interest:
        """Return which events may end an incident."""
        return Interest(self.expect or ("*",), self.match, self.match_related)

    def ends(self, facts: Facts) -> bool:
        """Tell whether an event ends an incident."""
        return facts.name in self._named and self.refusal(None, facts) is None


class Incidents(Stage):
    """Opens an incident for each bucket of the trigger, and keeps it until it is resolved.

    Attributes:
        automation: the id of the automation whose they are. resolve: the events that end one.
    """

    name: ClassVar[str] = "incident"
    memory: ClassVar[type[Kept]] = Incident
    pins: ClassVar[bool] = False  # it may stay open for weeks

    automation: str
    resolve: Resolve

    def falls_under(self, candidate: Candidate) -> str:
        return candidate.bucket

    def due(self, memory: Incident) -> Due:
        return Due.END

    def decide(self, memory: Incident | None, candidate: Candidate, now: int) -> Ruling:
        """Let the candidate go on, as what opens an incident or belongs to one."""
        if memory is None:
            status, reason = "opened", Reason.INCIDENT_OPENED
            identity = derived_id("incident", self.automation, candidate.bucket, candidate.cause)
            first = candidate.positions[-1] if candidate.positions else ""
            incident = Incident(NEVER, (), identity, now, 1, candidate.labels, first)
        else:
            status, reason = "updated", Reason.INCIDENT_UPDATED
            incident = replace(memory, count=memory.count + 1)
        told = replace(candidate, incident=incident.told(status))
        return passing(incident, told, reason=reason)

    def explain(self, memory: Incident | None, ruling: Ruling, now: int) -> Checks:
        """Return whether an incident is open, and since when."""
        if memory is None:
            return [Check("incident", None, "none open")]
        return [Check("incident", None, f"{memory.count} firings since {memory.since}")]
