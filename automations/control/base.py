"""What every stage of control shares: its ruling, and what it remembers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict
from pydantic_core import from_json, to_json

from ..triggers.base import Due, Facts, Reason
from ..triggers.buckets import bucket_of, reader
from ..triggers.explaining import Checks
from ..triggers.selection import Keys
from ..triggers.window import NEVER, Memory
from .candidate import Candidate, order

if TYPE_CHECKING:
    from ..logtime import OpenTime

MAX_HELD: Final = 1000
"""Candidates that wait in one place at most."""


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
        return (min(firsts, key=order),) if firsts else ()

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
        """Read what :meth:`to_dict` made; what another version added is left out."""
        held = tuple(Candidate.from_dict(each) for each in kept.pop("held", ()))
        known = {each.name for each in fields(cls)}
        return cls(held=held, **{name: kept[name] for name in kept.keys() & known})


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

    @cached_property
    def entries(self) -> str:
        """What is kept apart, as one text."""
        return ",".join(self.keys())

    def falls_under(self, candidate: Candidate) -> str:
        """Return the key that a candidate falls under.

        One that came before the automation was edited may not know it: then its bucket has to do.
        """
        if not self._readers:
            return ""
        key = candidate.keys.get(self.entries)
        return self.key_of(candidate.labels, None) if key is None else key

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

    def release(self, memory: Any, bucket: str) -> Ruling:
        """Let go of what waits for one bucket of the trigger, and for no other."""
        gone = tuple(each for each in memory.held if each.bucket == bucket and not each.mixed)
        left = tuple(each for each in memory.held if each.bucket != bucket or each.mixed)
        return Ruling(self.holding(memory, left), Move.DROP, Reason.RESOLVED, dropped=gone)

    def holding(self, memory: Any, held: tuple[Candidate, ...]) -> Memory | None:
        """Return the memory with these waiting; None where it is for nothing else."""
        return replace(memory, held=held) if held else None

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
