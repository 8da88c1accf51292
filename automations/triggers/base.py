"""What every kind of trigger shares: the facts it sees, and its verdict with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ..expressions import Scope

if TYPE_CHECKING:
    from upshot.events.event import Recorded

    from ..matching import LabelMatch
    from .window import Window


class Reason(StrEnum):
    """Why a trigger, or the evaluator around it, did what it did."""

    REACHED = "threshold_reached"
    ABSENT = "absent"
    OPENED = "window_opened"
    COUNTED = "counted"
    SATISFIED = "satisfied"
    QUIET = "quiet_until_window_ends"
    ENDED = "window_ended"
    PRESENT = "expected_events_came"
    NOT_EXPECTED = "event_not_expected"
    NOT_OPEN = "no_window_open"
    NO_MATCH = "match"
    NO_RELATED_MATCH = "match_related"
    WHERE_FALSE = "where_false"
    WHERE_ERROR = "where_error"
    LOOP = "loop"
    ERROR = "error"


@dataclass(slots=True, frozen=True)
class Verdict:
    """What a trigger decided.

    Attributes:
        window: the bucket's window from now on; None closes it.
        reason: why, by name.
        fires: whether the automation fires.
        positions: the contributing events' positions, when it fires.
        detail: expected against actual, or the error, for people.
        considered: whether the event was the trigger's business at all.
    """

    window: Window | None
    reason: Reason
    fires: bool = False
    positions: tuple[str, ...] = ()
    detail: str = ""

    @property
    def considered(self) -> bool:
        return self.reason not in _NOT_CONSIDERED


_NOT_CONSIDERED = frozenset(
    {Reason.NOT_EXPECTED, Reason.NO_MATCH, Reason.NO_RELATED_MATCH, Reason.WHERE_FALSE}
)


@dataclass(slots=True, frozen=True)
class Interest:
    """Which events a trigger has to see, for the index.

    Attributes:
        names: event names or globs.
        match: what the resource must match.
        related: what related resources must match.
    """

    names: tuple[str, ...]
    match: LabelMatch
    related: tuple[LabelMatch, ...]


class Facts:
    """One event as triggers see it; what is costly is made once, when first asked for.

    Args:
        recorded: the event as it stands in the log.
    """

    __slots__ = (
        "_scope",
        "body",
        "name",
        "position",
        "received",
        "recorded",
        "related",
        "resource",
    )

    def __init__(self, recorded: Recorded) -> None:
        body = recorded.body
        self.recorded = recorded
        self.body: dict[str, Any] = body
        self.name: str = body["event"]
        self.resource: dict[str, str] = body["resource"]
        self.related: list[dict[str, str]] = body.get("related") or []
        self.position = recorded.position
        self.received = recorded.received
        self._scope: Scope | None = None

    @property
    def scope(self) -> Scope:
        """What CEL expressions see."""
        if self._scope is None:
            self._scope = Scope({"event": self.body})
        return self._scope
