"""The deadline trigger: fires when a run has not started, finished or succeeded in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import ClassVar, Final, Literal, Self

from pydantic import model_validator

from upshot.events.durations import Duration, milliseconds

from ..logtime import OpenTime
from . import runs
from .base import Due, Facts, Interest, Reason, Verdict
from .clock import ClockTime, TimeZone, next_clock_time, zone
from .explaining import Check, Checks, name_check
from .selection import OfRuns
from .window import NEVER, Window

SHORTEST: Final = timedelta(seconds=1)


class Outcome(StrEnum):
    """What a run has to have done by its deadline."""

    STARTED = "started"
    FINISHED = "finished"
    SUCCEEDED = "succeeded"


class DeadlineTrigger(OfRuns):
    """Fires once for each run that hasn't done what was expected when its deadline passes.

    The run's own bucket is its id. What a run does in time cancels its deadline, and so does its
    end, whatever it is: a run that has ended is never late. A run that is retried after its end
    gets a new deadline.

    Attributes:
        expect: started, finished or succeeded.
        by: the first time after its schedule that the clock shows this, in ``timezone``.
        timezone: where the clock hangs.
        within: or, how long after ``of`` the deadline is; in open time.
        of: the run's schedule, or its start.
    """

    begins_when_defined: ClassVar[bool] = False

    type: Literal["deadline"] = "deadline"
    expect: Outcome = Outcome.FINISHED
    by: ClockTime | None = None
    timezone: TimeZone = "UTC"
    within: Duration | None = None
    of: Literal["schedule", "start"] = "schedule"

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if (self.by is None) == (self.within is None):
            raise ValueError("a deadline has either 'by', a clock time, or 'within', a duration")
        if self.within is not None and self.within < SHORTEST:
            raise ValueError("'within' must be at least 1s")
        if self.of == "start" and (self.by is not None or self.expect is Outcome.STARTED):
            raise ValueError("'of: start' goes with 'within', for what a run does after its start")
        if not (self.deployment or self.flow or self.match or self.match_related):
            raise ValueError("which runs? write 'deployment', 'flow', 'match' or 'match_related'")
        return self

    @cached_property
    def span(self) -> int:
        """``within`` in milliseconds."""
        return milliseconds(self.within or timedelta(0))

    def interest(self) -> Interest:
        """Return which events this trigger has to see."""
        return Interest(runs.RUN_EVENTS, self.match, self.related_specs)

    def bucket(self, facts: Facts) -> str:
        """Return the run's id."""
        return facts.resource["id"]

    def labels(self, bucket: str) -> dict[str, str]:
        """Return the run's id under its name."""
        return {"id": bucket}

    def due(self, window: Window) -> Due:
        """Return that deadlines are judged in open time."""
        return Due.SILENCE

    def begin(self, opened: int, time: OpenTime) -> Window:
        """Return a window that belongs to no run; none opens with the definition."""
        return Window(opened, NEVER, f"{opened}-0")

    def load(self, body: bytes, time: OpenTime) -> Window:
        """Read a window that was kept."""
        return self.rearm(Window.from_json(body), time)

    def rearm(self, window: Window, time: OpenTime) -> Window:
        """Return the window with its deadline as the gaps now known make it."""
        return window if window.fired else replace(window, deadline=self._deadline(window, time))

    def _deadline(self, window: Window, time: OpenTime) -> int:
        if self.by is None:
            due = time.when(time.at(window.opened) + self.span)
        else:
            due = time.when(time.at(next_clock_time(window.opened, self.by, zone(self.timezone))))
        return max(due, int(window.position.partition("-")[0]))

    def decide(self, window: Window | None, facts: Facts, time: OpenTime) -> Verdict:
        """Decide what a change of a run's state means for its deadline."""
        if facts.name not in runs.RUN_EVENTS:
            return Verdict(window, Reason.NOT_EXPECTED, detail=facts.name)
        if window is None and (refusal := self.refusal(window, facts)) is not None:
            return refusal
        if self._meets(facts):
            return Verdict(None, Reason.MET)
        if facts.name in runs.RUN_ENDS:
            return Verdict(None, Reason.ENDED)
        if window is not None:
            return Verdict(window, Reason.QUIET if window.fired else Reason.WATCHED)
        if self.of == "start" and facts.name != runs.RUN_RUNNING:
            return Verdict(None, Reason.NOT_WATCHED)
        return Verdict(self._watch(facts, time), Reason.WATCHED)

    def explain(self, window: Window | None, facts: Facts, verdict: Verdict) -> Checks:
        """Return what it asks of the run, and what it found."""
        of_runs = facts.name in runs.RUN_EVENTS
        checks = [name_check("event", runs.RUN_EVENTS, facts, of_runs)]
        checks += self.asked(facts, verdict)
        met = verdict.reason is Reason.MET if of_runs else None
        return [*checks, Check("expect", self.expect.value, facts.name, met)]

    def _meets(self, facts: Facts) -> bool:
        if self.expect is Outcome.SUCCEEDED:
            return facts.name == runs.RUN_COMPLETED
        if self.expect is Outcome.FINISHED:
            return facts.name in runs.RUN_ENDS
        return facts.name in (runs.RUN_RUNNING, runs.RUN_CANCELLING)

    def _watch(self, facts: Facts, time: OpenTime) -> Window:
        retried = runs.attempt(facts) > (facts.name == runs.RUN_RUNNING)
        fresh = self.of == "start" or retried
        window = Window(
            opened=facts.received if fresh else runs.scheduled(facts),
            deadline=NEVER,
            position=facts.position,
            opener=facts.body["id"],
            positions=(facts.position,),
            causation=facts.body.get("causation"),
        )
        return self.rearm(window, time)

    def at_deadline(self, window: Window, time: OpenTime) -> Verdict:
        """Fire, and stay quiet about this run until it has ended."""
        told = replace(window, deadline=NEVER, fired=True, positions=(), causation=None)
        return Verdict(told, Reason.MISSED, fires=True, positions=window.positions)
