"""Batch: gathers firings until there are enough of them, or one has waited for long enough."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import ClassVar

from pydantic import Field, field_validator

from upshot.events.durations import Duration, format_duration, milliseconds

from ..triggers.base import Reason
from ..triggers.explaining import Check, Checks
from ..triggers.selection import Keys
from .base import Kept, Move, Ruling, Stage, passing
from .candidate import MAX_EVENTS, Candidate
from .debounce import Waiting


class Batch(Stage):
    """Fires once for many, with the events of all.

    Attributes:
        max_size: how many make a batch full.
        timeout: how long the first one waits at most.
        key: what is kept apart: labels of the resource, ``related:<role>:<label>`` or
            ``payload.<path>``.
    """

    name: ClassVar[str] = "batch"
    memory: ClassVar[type[Kept]] = Waiting

    max_size: int = Field(ge=2, le=MAX_EVENTS)
    timeout: Duration
    key: Keys = ()

    @field_validator("timeout")
    @classmethod
    def _some_time(cls, timeout: timedelta) -> timedelta:
        if not timeout:
            raise ValueError("must be longer than 0: how long the first one waits at most")
        return timeout

    @cached_property
    def _timeout(self) -> int:
        return milliseconds(self.timeout)

    def keys(self) -> Keys:
        return self.key

    def decide(self, memory: Waiting | None, candidate: Candidate, now: int) -> Ruling:
        """Put the candidate to the others; let them go on together when there are enough."""
        since = memory.since if memory is not None else now
        together = candidate.after(memory.held[0]) if memory is not None else candidate
        if together.count >= self.max_size:
            return passing(None, together)
        kept = Waiting(since + self._timeout, (together.held(),), since)
        return Ruling(kept, Move.HOLD, Reason.COLLECTING)

    def at_deadline(self, memory: Waiting, now: int) -> Ruling:
        """Let those go on that there are."""
        return passing(None, memory.held[0].at_moment(now))

    def explain(self, memory: Waiting | None, ruling: Ruling, now: int) -> Checks:
        """Return how many there are, and when they will go on."""
        state = ruling.memory
        full = state is None
        count = self.max_size if not isinstance(state, Waiting) else state.count
        checks = [Check("max_size", self.max_size, count, full)]
        ends = None if state is None else state.deadline
        return [*checks, Check("timeout", format_duration(self.timeout), ends)]
