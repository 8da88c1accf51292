"""Throttle: so many in a span and no more, by the generic cell rate algorithm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from upshot.events.durations import Duration, format_duration, milliseconds

from ..triggers.base import Due, Reason
from ..triggers.explaining import Check, Checks
from ..triggers.selection import Keys
from .base import MAX_HELD, Kept, Move, Ruling, Stage, dropping, passing
from .candidate import Candidate


@dataclass(slots=True, frozen=True)
class Cell(Kept):
    """How far a key has used its rate up.

    Attributes:
        used: when it is as if nothing had ever come, in fractions of a millisecond: ``limit``
            of them make one.
    """

    used: int = 0


class Throttle(Stage):
    """Fires at most so often.

    One more may come every ``per / limit``; what did not come is saved up, ``burst`` at most.

    Attributes:
        limit: how many in each span.
        per: the span.
        burst: how many may come at once; ``limit`` by default.
        key: what is kept apart: labels of the resource, ``related:<role>:<label>`` or
            ``payload.<path>``.
        excess: what is too much is dropped, or waits in a queue until it is not.
    """

    name: ClassVar[str] = "throttle"
    memory: ClassVar[type[Kept]] = Cell

    limit: int = Field(ge=1, le=1_000_000)
    per: Duration
    burst: int | None = Field(default=None, ge=1, le=1_000_000)
    key: Keys = ()
    excess: Literal["drop", "queue"] = "drop"

    @field_validator("per")
    @classmethod
    def _some_time(cls, per: timedelta) -> timedelta:
        if not per:
            raise ValueError("must be longer than 0: the span that 'limit' is for")
        return per

    @cached_property
    def _rate(self) -> tuple[int, int, int]:
        """The limit, the span of one, and the span that is saved up, in fractions of a ms."""
        span = milliseconds(self.per)
        return self.limit, span, ((self.burst or self.limit) - 1) * span

    def keys(self) -> Keys:
        return self.key

    def due(self, memory: Cell) -> Due:
        return Due.CLOCK if memory.held else Due.END

    def decide(self, memory: Cell | None, candidate: Candidate, now: int) -> Ruling:
        """Let the candidate go on if the rate allows it."""
        cell = memory or Cell()
        if not cell.held and self._free_at(cell.used) <= now:
            return passing(self._spent(cell, now), candidate)
        detail = f"{self.limit} per {format_duration(self.per)} are used up"
        if self.excess == "drop":
            return dropping(memory, candidate, Reason.THROTTLED, detail)
        if len(cell.held) >= MAX_HELD:
            return dropping(memory, candidate, Reason.QUEUE_FULL, f"{MAX_HELD} wait already")
        queued = self._timed(replace(cell, held=(*cell.held, candidate.held())))
        return Ruling(queued, Move.HOLD, Reason.WAITS_ITS_TURN, detail=detail)

    def at_deadline(self, memory: Cell, now: int) -> Ruling:
        """Let the next ones in the queue go on, as many as the rate allows."""
        passed = []
        while memory.held and self._free_at(memory.used) <= now:
            passed.append(memory.held[0].at_moment(now))
            memory = self._spent(replace(memory, held=memory.held[1:]), now)
        return passing(memory, *passed)

    def holding(self, memory: Cell, held: tuple[Candidate, ...]) -> Cell:
        return self._timed(replace(memory, held=held))

    def explain(self, memory: Cell | None, ruling: Ruling, now: int) -> Checks:
        """Return how many may come now, and when the next one may."""
        cell = memory or Cell()
        limit, span, saved = self._rate
        left = max(0, min(span + saved, now * limit + span + saved - cell.used) // span)
        rate = f"{limit} per {format_duration(self.per)}"
        checks = [Check("throttle", rate, f"{left} left", left > 0 and not cell.held)]
        if left <= 0:
            checks.append(Check("free at", None, self._free_at(cell.used)))
        return checks

    def _free_at(self, used: int) -> int:
        """Return the first millisecond at which one more may come."""
        limit, _, saved = self._rate
        return -(-(used - saved) // limit)

    def _spent(self, cell: Cell, now: int) -> Cell:
        """Return the cell with one more that came now."""
        limit, span, _ = self._rate
        return self._timed(replace(cell, used=max(cell.used, now * limit) + span))

    def _timed(self, cell: Cell) -> Cell:
        """Return the cell with its deadline: when the next one goes on, or it can be forgotten."""
        if cell.held:
            return replace(cell, deadline=self._free_at(cell.used))
        return replace(cell, deadline=-(-cell.used // self.limit))
