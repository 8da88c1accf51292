"""What every stage of control shares: the candidate that comes to it, and its ruling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict
from pydantic_core import from_json, to_json

from ..triggers.base import Due, Facts, Reason
from ..triggers.buckets import bucket_of, reader
from ..triggers.explaining import Checks
from ..triggers.gathering import merged_ways
from ..triggers.selection import Keys
from ..triggers.window import NEVER, Memory

if TYPE_CHECKING:
    from upshot.events.event import Recorded

    from ..logtime import OpenTime

MAX_EVENTS: Final = 1000
"""Events that a candidate names at most: of more than that the newest."""

MAX_HELD: Final = 1000
"""Candidates that wait in one place at most."""


@dataclass(slots=True, frozen=True)
class Candidate:
    """A firing on its way through control: all that the firing needs, whenever it comes about.

    Attributes:
        bucket: of the trigger. labels: the bucket's values, by ``for_each`` entry.
        reason: what the trigger fired on. value: what it measured, if it does.
        positions: the contributing events' positions, oldest first.
        cause: what the firing's id is derived from. at: when it got here, in the log's ms.
        caused_by: id of the event that led here. causation: the way that led to that one.
        keys: by stage, which of its keys this falls under.
        count: how many firings of the trigger it stands for.
        conditions: the conditions and how they came out.
        replaces: ids of the firings that are stopped for it.
        incident: the incident that it belongs to.
        quiet: whether nothing is told of its end: its event was itself told by an automation.
        event: the event that fired it, while that is at hand; it is not kept.
    """

    bucket: str
    labels: dict[str, str]
    reason: Reason
    positions: tuple[str, ...]
    cause: str
    at: int
    caused_by: str | None = None
    causation: dict[str, Any] | None = None
    value: float | None = None
    keys: dict[str, str] = field(default_factory=dict)
    count: int = 1
    conditions: tuple[dict[str, Any], ...] = ()
    replaces: tuple[str, ...] = ()
    incident: dict[str, Any] | None = None
    quiet: bool = False
    event: Recorded | None = None

    def held(self) -> Candidate:
        """Return it as it is kept: without the event's body, which the log has."""
        return replace(self, event=None) if self.event is not None else self

    def at_moment(self, now: int) -> Candidate:
        """Return it as it goes on at a later moment."""
        return replace(self, at=now)

    def after(self, earlier: Candidate) -> Candidate:
        """Return one candidate for both, with the events of both."""
        return replace(
            self,
            positions=_joined(earlier.positions, self.positions)[-MAX_EVENTS:],
            count=earlier.count + self.count,
            causation=merged_ways((earlier.causation, self.causation)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as it is kept; what is empty is left out."""
        kept = {name: getattr(self, name) for name in _KEPT}
        return {name: value for name, value in kept.items() if value or name in _NEEDED}

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> Self:
        """Read what :meth:`to_dict` wrote."""
        kept["reason"] = Reason(kept["reason"])
        for name in ("positions", "conditions", "replaces"):
            kept[name] = tuple(kept.get(name, ()))
        return cls(**kept)


_KEPT: Final = tuple(each.name for each in fields(Candidate) if each.name != "event")
_NEEDED: Final = frozenset({"bucket", "labels", "reason", "positions", "cause", "at", "value"})


def _order(position: str) -> tuple[int, int]:
    ms, _, sequence = position.partition("-")
    return int(ms), int(sequence or 0)


def _joined(earlier: tuple[str, ...], later: tuple[str, ...]) -> tuple[str, ...]:
    """Return the positions of both in the log's order."""
    if not earlier or not later or _order(earlier[-1]) < _order(later[0]):
        return (*earlier, *later)
    return tuple(sorted({*earlier, *later}, key=_order))


class Move(StrEnum):
    """What a stage does with a candidate."""

    PASS = "pass"
    HOLD = "hold"
    DROP = "drop"


@dataclass(slots=True, frozen=True)
class Ruling:
    """What a stage decided.

    Attributes:
        memory: what it remembers of the key from now on; None forgets it.
        move: what becomes of the candidate at hand. reason: why, by name.
        passed: what goes on to the next stage. dropped: what ends here.
        detail: expected against actual, for people.
    """

    memory: Memory | None
    move: Move
    reason: Reason
    passed: tuple[Candidate, ...] = ()
    dropped: tuple[Candidate, ...] = ()
    detail: str = ""


def passing(memory: Memory | None, *passed: Candidate, reason: Reason = Reason.PASSED) -> Ruling:
    """Return the ruling that lets candidates go on."""
    return Ruling(memory, Move.PASS, reason, passed)


def dropping(
    memory: Memory | None, candidate: Candidate, reason: Reason, detail: str = ""
) -> Ruling:
    """Return the ruling that ends a candidate."""
    return Ruling(memory, Move.DROP, reason, dropped=(candidate,), detail=detail)


@dataclass(slots=True, frozen=True)
class Kept:
    """What a stage remembers of one key; each stage adds its own.

    Attributes:
        deadline: when it has to be looked at, in the log's milliseconds; 0 for never.
        held: the candidates that wait here, in order.
    """

    deadline: int = NEVER
    held: tuple[Candidate, ...] = ()

    @property
    def opened(self) -> int:
        return self.held[0].at if self.held else 0

    @property
    def position(self) -> str:
        return ""

    @property
    def opener(self) -> str | None:
        return None

    @property
    def positions(self) -> tuple[str, ...]:
        """The oldest position that is still needed."""
        firsts = [each.positions[0] for each in self.held if each.positions]
        return (min(firsts, key=_order),) if firsts else ()

    @property
    def causation(self) -> dict[str, Any] | None:
        return None

    def to_json(self) -> bytes:
        """Return the memory as it is kept; what is empty is left out."""
        return to_json({name: value for name, value in self.to_dict().items() if value})

    def to_dict(self) -> dict[str, Any]:
        """Return the memory as data."""
        kept = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**kept, "held": [each.to_dict() for each in self.held]}

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> Self:
        """Read what :meth:`to_dict` made."""
        held = tuple(Candidate.from_dict(each) for each in kept.pop("held", ()))
        return cls(held=held, **kept)


class Stage(BaseModel):
    """A stage of control. All that it decides is pure.

    Each kind has ``decide(memory, candidate, now)``, ``at_deadline(memory, now)`` and
    ``explain(memory, ruling, now)``, where ``memory`` is what it remembers of the candidate's key,
    or None, and ``now`` is the log's millisecond.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ClassVar[str]
    memory: ClassVar[type[Kept]] = Kept
    pins: ClassVar[bool] = True
    begins_when_defined: ClassVar[bool] = False

    def keys(self) -> Keys:
        """Return what is kept apart."""
        return ()

    @cached_property
    def _readers(self) -> tuple[tuple[str, Callable[[Facts], str]], ...]:
        return tuple((entry, reader(entry)) for entry in self.keys())

    def key_of(self, labels: Mapping[str, str], facts: Facts | None) -> str:
        """Return the key that a firing of the trigger falls under.

        Args:
            labels: its bucket's values, by ``for_each`` entry. facts: its event, if there is one.
        """
        if not self._readers:
            return ""
        return bucket_of([_value(entry, read, labels, facts) for entry, read in self._readers])

    def due(self, memory: Any) -> Due:
        """Return what the deadline of a memory is for."""
        return Due.CLOCK

    def load(self, body: bytes, time: OpenTime) -> Kept:
        """Read what was kept."""
        return self.memory.from_dict(from_json(body))

    def rearm(self, memory: Kept, time: OpenTime) -> Kept:
        """Return the memory as it is: clocks go on while the log is closed."""
        return memory

    def decide(self, memory: Any, candidate: Candidate, now: int) -> Ruling:
        """Decide what becomes of a candidate."""
        raise NotImplementedError

    def at_deadline(self, memory: Any, now: int) -> Ruling:
        """Decide what the deadline of a memory means, once the log is past it."""
        raise NotImplementedError

    def explain(self, memory: Any, ruling: Ruling, now: int) -> Checks:
        """Return what the stage asks, and what it found: ``memory`` is as it was before."""
        raise NotImplementedError


def _value(
    entry: str,
    read: Callable[[Facts], str],
    labels: Mapping[str, str],
    facts: Facts | None,
) -> str:
    """Return one value of a key: of the bucket, or else of the event."""
    plain = entry.removeprefix("resource.")
    for each in (entry, plain, f"resource.{plain}"):
        if each in labels:
            return labels[each]
    return read(facts) if facts is not None else ""
