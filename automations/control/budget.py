"""Budget: so many firings in any span; who has used it up is told once, and does no more."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar, Self

from pydantic import Field, field_validator

from upshot.events.durations import Duration, format_duration, milliseconds

from ..actions import Action
from ..triggers.base import Due, Reason
from ..triggers.explaining import Check, Checks
from ..triggers.selection import Keys
from ..triggers.window import Memory
from .base import Kept, Ruling, Stage, dropping, passing
from .candidate import Candidate


@dataclass(slots=True, frozen=True)
class Spent(Kept):
    """What a key has used of its budget.

    Attributes:
        times: when it fired within the span, in the log's milliseconds, in order.
        told: whether ``then`` was done since the last firing.
    """

    times: tuple[int, ...] = ()
    told: bool = False

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> Self:
        return super(Spent, cls).from_dict({**kept, "times": tuple(kept.get("times", ()))})

    @property
    def opened(self) -> int:
        return self.times[0] if self.times else 0

    @property
    def count(self) -> int:
        return len(self.times)


class Budget(Stage):
    """Fires at most so often in any span.

    Attributes:
        max: how often.
        within: the span.
        per: what has a budget of its own: labels of the resource, ``related:<role>:<label>`` or
            ``payload.<path>``; without it there is one for the automation.
        then: actions done once when the budget is used up, instead of those that it denies.
    """

    name: ClassVar[str] = "budget"
    memory: ClassVar[type[Kept]] = Spent

    max: int = Field(ge=1, le=1000)
    within: Duration
    per: Keys = ()
    then: tuple[Action, ...] = Field(default=(), max_length=32)

    @field_validator("within")
    @classmethod
    def _some_time(cls, within: timedelta) -> timedelta:
        if not within:
            raise ValueError("must be longer than 0: the span that 'max' is for")
        return within

    @cached_property
    def _within(self) -> int:
        return milliseconds(self.within)

    def keys(self) -> Keys:
        return self.per

    def due(self, memory: Spent) -> Due:
        return Due.END

    def decide(self, memory: Spent | None, candidate: Candidate, now: int) -> Ruling:
        """Let the candidate go on while there is something left."""
        spent = self._recent(memory, now)
        if len(spent.times) < self.max:
            times = list(spent.times)
            insort(times, now)
            return passing(Spent(times[-1] + self._within, times=tuple(times)), candidate)
        detail = f"{self.max} in {format_duration(self.within)} are used up"
        return dropping(replace(spent, told=True), candidate, Reason.EXHAUSTED, detail)

    def calls_for_then(self, memory: Memory | None) -> bool:
        """Tell whether a denial, with this memory before it, is the first one of its kind."""
        return bool(self.then) and not (isinstance(memory, Spent) and memory.told)

    def _recent(self, memory: Spent | None, now: int) -> Spent:
        spent = memory or Spent()
        since = now - self._within
        return replace(spent, times=tuple(each for each in spent.times if each > since))

    def explain(self, memory: Spent | None, ruling: Ruling, now: int) -> Checks:
        """Return how much is used, and when some of it is free again."""
        spent = self._recent(memory, now)
        used, free = len(spent.times), len(spent.times) < self.max
        asked = f"{self.max} in {format_duration(self.within)}"
        checks = [Check("budget", asked, f"{used} used", free)]
        if not free:
            checks.append(Check("free at", None, spent.times[0] + self._within))
        return checks
