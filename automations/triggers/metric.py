"""The metric trigger: fires when a measure of runs or events goes beyond a threshold."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from upshot.events.durations import Duration, milliseconds

from ..exceptions import ExpressionFailed
from ..expressions.numbers import NumberExpression
from ..logtime import OpenTime
from ..matching import unexpected
from .base import Due, Facts, Interest, Reason, Verdict
from .explaining import Check, Checks, name_check
from .metrics import (
    MAX_POSITIONS,
    READINGS,
    SLOTS,
    Aggregate,
    Measure,
    Measured,
    Metric,
    Operator,
)
from .selection import Bucketed, Named, Names, OfRuns
from .window import NEVER

SHORTEST: Final = timedelta(seconds=1)


class MetricTrigger(Bucketed, OfRuns):
    """Fires once when a measure is beyond its threshold, and again only after it has recovered.

    Attributes:
        metric: what is measured.
        expect: names or globs of the events, for ``event_count`` and ``value``.
        value: CEL for the number in an event, for ``value``.
        aggregate: how the numbers become one, for ``duration``, ``lateness`` and ``value``.
        operator: how the measure is compared with the threshold.
        threshold: a number; ``90%`` and ``10m`` are numbers, too.
        range: how far back it is measured, in open time.
        at_least: how many samples it takes to judge.
        firing_for: how long the threshold must be breached without a break.
        recovery: back within this it has recovered; by default the threshold itself.
    """

    pins: ClassVar[bool] = False

    type: Literal["metric"] = "metric"
    metric: Metric
    expect: Names = ()
    value: NumberExpression | None = None
    aggregate: Aggregate | None = None
    operator: Operator
    threshold: Measure
    range: Duration = timedelta(minutes=5)
    at_least: int = Field(default=1, ge=1, le=1_000_000)
    firing_for: Duration = timedelta(0)
    recovery: Measure | None = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        free = not READINGS[self.metric].names
        if free and not (self.expect or self.match or self.match_related):
            raise ValueError(f"'{self.metric.value}' of which events? write 'expect' or 'match'")
        if self.expect and not free:
            raise ValueError(f"'{self.metric.value}' knows its events: leave out 'expect'")
        if (self.value is not None) != (self.metric is Metric.VALUE):
            raise ValueError("'value', the number in an event, goes with 'metric: value'")
        if self.aggregate and READINGS[self.metric].fixed:
            raise ValueError(f"'{self.metric.value}' has no 'aggregate'")
        if self.range < SHORTEST:
            raise ValueError("'range' must be at least 1s")
        if self.recovery is not None and self._worse(self.recovery):
            raise ValueError("'recovery' must lie on the good side of 'threshold'")
        return self

    def _worse(self, value: float) -> bool:
        return value < self.threshold if self.operator.downward else value > self.threshold

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names or globs of the events that are measured."""
        return READINGS[self.metric].names or self.expect or ("*",)

    @cached_property
    def named(self) -> Named:
        """The same, ready to be asked."""
        return Named(self.names)

    @cached_property
    def how(self) -> Aggregate:
        """How the numbers become one."""
        return self.aggregate or READINGS[self.metric].aggregate

    @cached_property
    def spans(self) -> tuple[int, int, int]:
        """The range, a slot of it and ``firing_for``, in milliseconds."""
        span = milliseconds(self.range)
        return span, -(-span // SLOTS), milliseconds(self.firing_for)

    @cached_property
    def of_silence(self) -> bool:
        """Whether no events at all breach it: then it is judged only after a whole range."""
        counts = self.how in (Aggregate.COUNT, Aggregate.SUM)
        return self.operator.downward and counts and self.metric is not Metric.QUEUE_DEPTH

    @property
    def begins_when_defined(self) -> bool:
        """Whether it is measured from its definition on, rather than from the first event on."""
        return self.of_silence and not self.for_each

    def interest(self) -> Interest:
        """Return which events this trigger has to see."""
        return Interest(self.names, self.match, self.related_specs)

    def due(self, window: Measured) -> Due:
        """Return that a measure changes in open time."""
        return Due.SILENCE

    def begin(self, opened: int, time: OpenTime) -> Measured:
        """Return the window that opens with the definition."""
        return self.rearm(Measured(opened, f"{opened}-0"), time)

    def load(self, body: bytes, time: OpenTime) -> Measured:
        """Read a window that was kept."""
        return self.rearm(Measured.from_json(body), time)

    def rearm(self, window: Measured, time: OpenTime) -> Measured:
        """Return the window with its deadline: when its measure, or its verdict, may change."""
        span, slot, lasting = self.spans
        moments = [(each.index + SLOTS) * slot for each in window.samples.slots[:1]]
        if window.since is not None and not window.fired:
            moments.append(window.since + lasting)
        if self.of_silence and not window.warm:
            moments.append(time.at(window.opened) + span)
        due = [time.when(moment) for moment in moments]
        if window.depth.next is not None:
            due.append(window.depth.next)
        return replace(window, deadline=min(due, default=NEVER))

    def decide(self, window: Measured | None, facts: Facts, time: OpenTime) -> Verdict:
        """Decide what an event means for the measure of its bucket."""
        if facts.name not in self.named:
            detail = unexpected(facts.name, self.names)
            return Verdict(window, Reason.NOT_EXPECTED, detail=detail)
        if (refusal := self.refusal(window, facts)) is not None:
            return refusal
        try:
            number = self._number(facts)
        except ExpressionFailed as error:
            return Verdict(window, Reason.NO_VALUE, detail=str(error))
        if number is None:
            return Verdict(window, Reason.NO_VALUE, detail=facts.name)
        now = facts.received
        current = self._at(window or Measured(now, facts.position), now, time)
        return self._judged(self._plus(current, number, facts, time), now, time)

    def explain(self, window: Measured | None, facts: Facts, verdict: Verdict) -> Checks:
        """Return what it asks of the event and of the measure, and what it found."""
        checks = [name_check("expect", self.names, facts, facts.name in self.named)]
        checks += self.asked(facts, verdict)
        limit = f"{self.operator.value} {self.threshold:g}"
        value = verdict.value
        met = None if value is None else self.operator.breached(value, self.threshold)
        return [*checks, Check(self.metric.value, limit, value, met)]

    def at_deadline(self, window: Measured, time: OpenTime) -> Verdict:
        """Decide what the passing of time means for the measure."""
        now = window.deadline
        return self._judged(self._at(window, now, time), now, time)

    def _number(self, facts: Facts) -> float | None:
        if self.value is not None:
            return self.value.number(facts.scope)
        return READINGS[self.metric].read(facts)

    def _at(self, window: Measured, now: int, time: OpenTime) -> Measured:
        """Return the window without what has left its range."""
        span, slot, _ = self.spans
        moment = time.at(now)
        return replace(
            window,
            samples=window.samples.since(moment // slot - SLOTS + 1),
            depth=window.depth.at(now),
            warm=window.warm or moment >= time.at(window.opened) + span,
        )

    def _plus(self, window: Measured, number: float, facts: Facts, time: OpenTime) -> Measured:
        """Return the window with one event more."""
        positions = (*window.positions, facts.position)[-MAX_POSITIONS:]
        if self.metric is Metric.QUEUE_DEPTH:
            depth = window.depth.after(facts, window.opened)
            return replace(window, depth=depth, positions=positions)
        index = time.at(facts.received) // self.spans[1]
        samples = window.samples.plus(index, number, distributed=self.how.share is not None)
        return replace(window, samples=samples, positions=positions)

    def _measured(self, window: Measured) -> float | None:
        if self.metric is Metric.QUEUE_DEPTH:
            return float(window.depth.waiting)
        if not self.of_silence and window.samples.count < self.at_least:
            return None
        return window.samples.value(self.how)

    def _judged(self, window: Measured, now: int, time: OpenTime) -> Verdict:
        """Compare the measure with the threshold, and go on from there."""
        value = self._measured(window)
        moment = time.at(now)
        if value is None:
            return self._calm(window, time, Reason.NO_DATA, value)
        if self.of_silence and not window.warm:
            return self._calm(window, time, Reason.WARMING_UP, value)
        limit = self.recovery if window.fired and self.recovery is not None else self.threshold
        if not self.operator.breached(value, limit):
            calm = Reason.RECOVERED if window.fired else Reason.WITHIN_LIMITS
            return self._calm(window, time, calm, value)
        since = moment if window.since is None else window.since
        reason = Reason.UNRECOVERED if window.fired else Reason.SUSTAINING
        fires = not window.fired and moment - since >= self.spans[2]
        following = replace(window, since=since, fired=window.fired or fires)
        return Verdict(
            self._left(self.rearm(following, time)),
            Reason.BREACHED if fires else reason,
            fires=fires,
            positions=window.positions if fires else (),
            detail=self._compared(value),
            value=value,
        )

    def _calm(
        self, window: Measured, time: OpenTime, reason: Reason, value: float | None
    ) -> Verdict:
        calm = self.rearm(replace(window, since=None, fired=False), time)
        return Verdict(self._left(calm), reason, detail=self._compared(value), value=value)

    def _left(self, window: Measured) -> Measured | None:
        """Return the window, or None where forgetting it changes nothing."""
        told = window.fired and not window.samples.slots
        if self.of_silence:
            return None if told and self.for_each else window
        return None if window.idle else window

    def _compared(self, value: float | None) -> str:
        actual = "no data" if value is None else f"{value:g}"
        return f"{self.metric.value} {self.operator.value} {self.threshold:g}: actual {actual}"
