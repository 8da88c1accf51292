"""Debounce: fires once it has been quiet for a while."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from upshot.events.durations import Duration, milliseconds

from ..triggers.base import Reason
from ..triggers.explaining import Check, Checks
from ..triggers.selection import Keys
from .base import Kept, Move, Ruling, Stage, passing
from .candidate import Candidate


@dataclass(slots=True, frozen=True)
class Waiting(Kept):
    """A candidate that waits for quiet.

    Attributes:
        since: when the first one came that it stands for, in the log's milliseconds.
    """

    since: int = 0

    @property
    def opened(self) -> int:
        return self.since

    @property
    def count(self) -> int:
        return self.held[0].count


class Debounce(Stage):
    """Fires once nothing more has come for a while.

    Attributes:
        period: how long it must be quiet.
        max_wait: how long it waits at most, however restless it is.
        key: what is kept apart: labels of the resource, ``related:<role>:<label>`` or
            ``payload.<path>``.
        keep: the ``last`` firing only, or one with the events of ``all``.
    """

    name: ClassVar[str] = "debounce"
    memory: ClassVar[type[Kept]] = Waiting

    period: Duration
    max_wait: Duration | None = None
    key: Keys = ()
    keep: Literal["last", "all"] = "last"

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if not self.period:
            raise ValueError("'period' must be longer than 0: how long it must be quiet")
        if self.max_wait is not None and self.max_wait < self.period:
            raise ValueError("'max_wait' can't be shorter than 'period'")
        return self

    @cached_property
    def _spans(self) -> tuple[int, int | None]:
        most = None if self.max_wait is None else milliseconds(self.max_wait)
        return milliseconds(self.period), most

    def keys(self) -> Keys:
        return self.key

    def decide(self, memory: Waiting | None, candidate: Candidate, now: int) -> Ruling:
        """Hold the candidate, with or instead of the one before it."""
        if memory is None:
            return _holding(candidate, now, self._deadline(now, now))
        # A silence that was judged late may come after what is newer.
        since = min(memory.since, now)
        deadline = self._deadline(since, max(now, memory.deadline - self._spans[0]))
        before = memory.held[0]
        if self.keep == "all":
            return _holding(candidate.after(before), since, deadline)
        return _holding(candidate, since, deadline, (before,))

    def _deadline(self, since: int, now: int) -> int:
        period, most = self._spans
        return now + period if most is None else min(now + period, since + most)

    def at_deadline(self, memory: Waiting, now: int) -> Ruling:
        """Let the candidate go on: it is quiet, or has waited for long enough."""
        return passing(None, memory.held[0].at_moment(now))

    def explain(self, memory: Waiting | None, ruling: Ruling, now: int) -> Checks:
        """Return for how long it has been restless, and when it will go on."""
        state = ruling.memory
        checks = [Check("period", self.model_dump(mode="json")["period"], None)]
        if state is not None:
            checks.append(Check("goes on at", None, state.deadline))
        return checks


def _holding(
    candidate: Candidate, since: int, deadline: int, dropped: tuple[Candidate, ...] = ()
) -> Ruling:
    memory = Waiting(deadline, (candidate.held(),), since)
    detail = "a later one takes its place" if dropped else ""
    return Ruling(memory, Move.HOLD, Reason.UNSETTLED, dropped=dropped, detail=detail)
