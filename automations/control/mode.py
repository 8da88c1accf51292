"""Mode: what happens when it fires again while what an earlier firing set off is still going on.

A firing is in progress until each of its actions is settled and each run that its run-deployment
actions started has ended. The log tells of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar, Final, Self

from pydantic import Field

from ..triggers.base import Due, Reason
from ..triggers.explaining import Check, Checks
from ..triggers.selection import Keys
from .base import Kept, Move, Ruling, Stage, dropping, passing
from .candidate import Candidate
from .progress import Progress

DEFAULT_MAX: Final = 10


class Mode(StrEnum):
    """What becomes of a firing while an earlier one is in progress."""

    SINGLE = "single"
    RESTART = "restart"
    QUEUED = "queued"
    PARALLEL = "parallel"


@dataclass(slots=True, frozen=True)
class Going(Kept):
    """What is in progress for a key, oldest first."""

    running: tuple[Progress, ...] = ()

    @property
    def opened(self) -> int:
        return self.running[0].began if self.running else 0

    @property
    def count(self) -> int:
        return len(self.running)

    def to_dict(self) -> dict[str, Any]:
        return {**Kept.to_dict(self), "running": [each.to_list() for each in self.running]}

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> Self:
        running = tuple(Progress.from_list(each) for each in kept.pop("running", ()))
        return replace(super(Going, cls).from_dict(kept), running=running)


class Turns(Stage):
    """Lets so many be in progress at a time.

    Attributes:
        mode: what becomes of one more. max: how many wait (queued) or are at work (parallel).
        key: what is kept apart.
    """

    name: ClassVar[str] = "mode"
    memory: ClassVar[type[Kept]] = Going

    mode: Mode
    max: int = Field(default=DEFAULT_MAX)
    key: Keys = ()

    def keys(self) -> Keys:
        return self.key

    def due(self, memory: Going) -> Due:
        return Due.CLOCK

    @property
    def places(self) -> int:
        """How many are in progress at most."""
        return self.max if self.mode is Mode.PARALLEL else 1

    def decide(self, memory: Going | None, candidate: Candidate, now: int) -> Ruling:
        """Let the candidate go on if there is a place for it, or if it takes one."""
        going = memory or Going()
        if self.mode is Mode.RESTART:
            stopped = tuple(each.firing for each in going.running)
            return passing(memory, replace(candidate, replaces=stopped))
        if len(going.running) < self.places and not going.held:
            return passing(memory, candidate)
        return self._full(going, candidate)

    def _full(self, going: Going, candidate: Candidate) -> Ruling:
        busy = f"{len(going.running)} in progress"
        if self.mode is Mode.SINGLE:
            return dropping(going, candidate, Reason.IN_PROGRESS, busy)
        if self.mode is Mode.PARALLEL:
            return dropping(going, candidate, Reason.MAX_IN_PROGRESS, busy)
        if len(going.held) >= self.max:
            return dropping(going, candidate, Reason.QUEUE_FULL, f"{self.max} wait already")
        queued = replace(going, held=(*going.held, candidate.held()))
        return Ruling(queued, Move.HOLD, Reason.WAITS_ITS_TURN, detail=busy)

    def begun(self, memory: Going | None, progress: Progress | None) -> Going | None:
        """Return the memory with a firing that came about; None for one that is over at once."""
        running = () if memory is None or self.mode is Mode.RESTART else memory.running
        if progress is not None:
            running = (*running, progress)
        return _going(memory, running)

    def changed(self, memory: Going, firing: str, progress: Progress | None) -> Going | None:
        """Return the memory with a firing as it is by now; None where it is over."""
        now = (progress if each.firing == firing else each for each in memory.running)
        return _going(memory, tuple(each for each in now if each is not None))

    def next(self, memory: Going | None, now: int) -> Ruling:
        """Let the one that has waited longest go on, if there is a place for it."""
        if memory is None or not memory.held or len(memory.running) >= self.places:
            return Ruling(memory, Move.HOLD, Reason.WAITS_ITS_TURN)
        first, *others = memory.held
        return passing(_going(replace(memory, held=tuple(others)), memory.running), first)

    def at_deadline(self, memory: Going, now: int) -> Ruling:
        """Give up on what should have ended by now."""
        running = tuple(each for each in memory.running if each.until > now)
        return Ruling(_going(memory, running), Move.HOLD, Reason.ENDED)

    def holding(self, memory: Going, held: tuple[Candidate, ...]) -> Going | None:
        return _going(replace(memory, held=held), memory.running)

    def explain(self, memory: Going | None, ruling: Ruling, now: int) -> Checks:
        """Return how many are in progress, and how many wait."""
        going = memory or Going()
        free = len(going.running) < self.places
        met = free or self.mode is Mode.RESTART
        checks = [Check(f"mode {self.mode.value}", self.places, len(going.running), met)]
        if self.mode is Mode.QUEUED:
            room = len(going.held) < self.max
            checks.append(Check("waiting", self.max, len(going.held), None if free else room))
        return checks


def _going(memory: Going | None, running: Sequence[Progress]) -> Going | None:
    """Return the memory with these in progress, or nothing where nothing goes on or waits."""
    held = memory.held if memory is not None else ()
    if not running and not held:
        return None
    deadline = min((each.until for each in running), default=0)
    return Going(deadline, held, tuple(running))
