"""What every kind of trigger shares: the facts it sees, and its verdict with the reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ..expressions.expression import Scope
from ..expressions.narrowing import NarrowScope
from .reasons import Reason as Reason

if TYPE_CHECKING:
    from upshot.events.event import Recorded

    from ..logtime import OpenTime
    from ..matching import LabelMatch
    from .explaining import Checks
    from .window import Memory


@dataclass(slots=True, frozen=True)
class Verdict:
    """What a trigger decided.

    Attributes:
        window: the bucket's window from now on; None closes it.
        reason: why, by name.
        fires: whether the automation fires.
        positions: the contributing events' positions, when it fires.
        detail: expected against actual, or the error, for people.
        value: what was measured, where a trigger measures.
        causation: the way that led here, where it is not the way of the event at hand.
        considered: whether the event was the trigger's business at all.
    """

    window: Memory | None
    reason: Reason
    fires: bool = False
    positions: tuple[str, ...] = ()
    detail: str = ""
    value: float | None = None
    causation: dict[str, Any] | None = None

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


class Due(Enum):
    """What the deadline of a window is for.

    ``SILENCE`` is judged in open time: it can't fall due while the log is closed to outside
    senders. ``CLOCK`` is judged whether the log is open or not. At its ``END`` a window is only
    forgotten.
    """

    SILENCE = 1
    CLOCK = 2
    END = 3


class Owner(Protocol):
    """What is asked of whatever has windows that are kept."""

    pins: ClassVar[bool]
    """Whether the log has to keep the events that its windows refer to."""

    def due(self, window: Any, /) -> Due:
        """Return what the deadline of a window is for."""
        ...

    def load(self, body: bytes, time: OpenTime, /) -> Memory:
        """Read a window that was kept; its deadline is made anew: gaps may have been learnt."""
        ...

    def rearm(self, window: Any, time: OpenTime, /) -> Memory:
        """Return the window with its deadline as the gaps now known make it."""
        ...


class Trigger(Owner, Protocol):
    """What the evaluator asks of every kind of trigger. All of it is pure."""

    @property
    def begins_when_defined(self) -> bool:
        """Whether its first window opens with its definition rather than with an event."""
        ...

    def begin(self, opened: int, time: OpenTime) -> Memory:
        """Return the window that opens with the definition, at that millisecond of the log."""
        ...

    def labels(self, bucket: str) -> dict[str, str]:
        """Return the values that a bucket stands for, by ``for_each`` entry."""
        ...

    def at_deadline(self, window: Any, time: OpenTime) -> Verdict:
        """Decide what a window's deadline means, once the log is past it."""
        ...


class Leaf(Trigger, Protocol):
    """A kind of trigger that sees events, or time."""

    def interest(self) -> Interest | None:
        """Return which events it has to see; None where it sees none."""

    def bucket(self, facts: Facts) -> str:
        """Return the name of the bucket that the event falls into."""
        ...

    def decide(self, window: Any, facts: Facts, time: OpenTime) -> Verdict:
        """Decide what an event means for its bucket.

        Args:
            window: the bucket's window, or None.
            facts: the event.
            time: the gaps known so far.
        """
        ...

    def explain(self, window: Any, facts: Facts, verdict: Verdict) -> Checks:
        """Return what it asks and what it found.

        Args:
            window: the bucket's window before the event, or None.
            facts: the event.
            verdict: what was decided on it.
        """
        ...


@dataclass(slots=True, frozen=True)
class Fired:
    """The firing of a trigger within another one.

    Attributes:
        at: when, in the log's milliseconds.
        cause: what tells this firing from others of the same trigger.
        positions: the contributing events' positions.
        labels: the bucket's values, by ``for_each`` entry.
        facts: the event that fired it; None where time did.
        opener: id of the event that opened the window, where time fired it.
        causation: the way that led here.
    """

    at: int
    cause: str
    positions: tuple[str, ...]
    labels: Mapping[str, str]
    facts: Facts | None = None
    opener: str | None = None
    causation: dict[str, Any] | None = None


class Composite(Trigger, Protocol):
    """A kind of trigger that sees the firings of other triggers."""

    @property
    def parts(self) -> tuple[Leaf | Composite, ...]:
        """The triggers within it."""
        ...

    def bucket_of(self, fired: Fired) -> str:
        """Return the name of the bucket that a firing falls into."""
        ...

    def gather(self, window: Any, fired: Mapping[int, Fired], time: OpenTime) -> Verdict:
        """Decide what firings mean for their bucket.

        Args:
            window: the bucket's window, or None.
            fired: what one event, or one moment, made fire, by its place among the parts.
            time: the gaps known so far.
        """
        ...

    def explain(self, window: Any, fired: Collection[int], fires: bool) -> Checks:
        """Return what it asks and what it found.

        Args:
            window: the bucket's window before what fired, or None.
            fired: the places of the parts that fired just now.
            fires: whether it fired with them.
        """
        ...


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
            self._scope = NarrowScope({"event": self.body})
        return self._scope
