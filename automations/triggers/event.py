"""The event trigger: fires on the presence (Reactive) or the absence (Proactive) of events."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from upshot.events.durations import Duration, milliseconds

from ..logtime import OpenTime
from ..matching import unexpected
from .base import Due, Facts, Interest, Reason, Verdict
from .explaining import Check, Checks, name_check
from .selection import Bucketed, Named, Names, Selecting
from .window import Window, with_position

SHORTEST_ABSENCE: Final = timedelta(seconds=1)


class Posture(StrEnum):
    """Whether a trigger waits for events, or for their absence."""

    REACTIVE = "Reactive"
    PROACTIVE = "Proactive"


class EventTrigger(Bucketed, Selecting):
    """Fires when expected events come, or when they don't.

    Attributes:
        posture: Reactive fires at the ``threshold``-th expected event within the window and then
            stays quiet until it ends; Proactive fires at the window's end if fewer came.
        expect: names or globs of the events to count; empty means all that ``match``.
        after: names or globs of the events that open a window; empty opens one by itself.
        match: labels of the resource.
        match_related: one or several specs, each satisfied by some related resource.
        for_each: one bucket for each value of these.
        threshold: how many events are expected.
        within: the window's length; 0 fires on each event. Absence is measured in open time.
        where: a CEL condition on ``event``; where it can't be evaluated the event doesn't match.
    """

    type: Literal["event"] = "event"
    posture: Posture = Posture.REACTIVE
    expect: Names = ()
    after: Names = ()
    threshold: int = Field(default=1, ge=1, le=1_000_000)
    within: Duration = timedelta(0)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if not self.expect and not (self.match or self.match_related):
            raise ValueError("an empty 'expect' needs a 'match': it would take every event")
        if self.posture is Posture.PROACTIVE and self.within < SHORTEST_ABSENCE:
            raise ValueError("'within' of a Proactive trigger must be at least 1s")
        if not self.within and self.threshold > 1:
            raise ValueError("a 'threshold' above 1 needs a 'within' in which the events must come")
        if not self.within and self.after:
            raise ValueError("'after' needs a 'within': how long the window stays open")
        return self

    @cached_property
    def compiled(self) -> _Compiled:
        """The trigger's parts, ready for the hot path."""
        return _Compiled(self)

    @property
    def absence(self) -> bool:
        """Whether its windows fire at their end, in open time."""
        return self.compiled.absence

    @property
    def begins_when_defined(self) -> bool:
        """Whether its first window opens with its definition rather than with an event."""
        return self.absence and not self.after and not self.for_each

    def interest(self) -> Interest:
        """Return which events this trigger has to see."""
        names = (*self.expect, *self.after) if self.expect else ("*",)
        return Interest(names, self.match, self.match_related)

    def deadline(self, opened: int, time: OpenTime) -> int:
        """Return the log's millisecond at which a window opened then ends."""
        within = self.compiled.within
        return time.when(time.at(opened) + within) if self.absence else opened + within

    def due(self, window: Window) -> Due:
        """Return what the deadline of a window is for."""
        return Due.SILENCE if self.compiled.absence else Due.END

    def load(self, body: bytes, time: OpenTime) -> Window:
        """Read a window that was kept."""
        kept = Window.from_json(body)
        deadline = self.deadline(kept.opened, time)
        return kept if kept.deadline == deadline else replace(kept, deadline=deadline)

    def rearm(self, window: Window, time: OpenTime) -> Window:
        """Return the window with its deadline as the gaps now known make it."""
        return replace(window, deadline=self.deadline(window.opened, time))

    def begin(self, opened: int, time: OpenTime) -> Window:
        """Return the first window of a trigger that begins when it is defined."""
        return Window(opened, self.deadline(opened, time), f"{opened}-0")

    def decide(self, window: Window | None, facts: Facts, time: OpenTime) -> Verdict:
        """Decide what an event means for its bucket.

        Args:
            window: the bucket's window, or None.
            facts: the event.
            time: the gaps known so far.
        """
        refusal = self._refusal(window, facts)
        if refusal is not None:
            return refusal
        compiled = self.compiled
        if not compiled.within:
            return Verdict(None, Reason.REACHED, fires=True, positions=(facts.position,))
        if compiled.absence:
            return self._decide_absence(window, facts, time)
        return self._decide_presence(window, facts, time)

    def explain(self, window: Window | None, facts: Facts, verdict: Verdict) -> Checks:
        """Return what it asks of the event and of its bucket, and what it found."""
        expected = facts.name in self.compiled.expected
        checks = [name_check("expect", self.expect or ("*",), facts, expected)]
        if self.after:
            opens = facts.name in self.compiled.opening
            met = opens or window is not None
            checks.append(name_check("after", self.after, facts, met))
        checks += self.asked(facts, verdict)
        return [*checks, self._count_check(window, facts, verdict)]

    def _count_check(self, window: Window | None, facts: Facts, verdict: Verdict) -> Check:
        """Return how far the bucket's window has counted, this event included."""
        if window is not None and facts.received >= window.deadline:
            window = None
        before = window.count if window is not None else 0
        counted = verdict.fires or verdict.reason in (Reason.COUNTED, Reason.SATISFIED)
        count = before + counted
        met = count >= self.threshold if verdict.considered else None
        return Check("threshold", self.threshold, count, met)

    def at_deadline(self, window: Window, time: OpenTime) -> Verdict:
        """Decide what the end of a window means, once the log is past its deadline."""
        if not self.absence:
            return Verdict(None, Reason.ENDED)
        following = None
        if not self.after:
            end = window.deadline
            following = Window(end, self.deadline(end, time), window.position)
        return Verdict(following, Reason.ABSENT, fires=True, positions=window.positions)

    def _refusal(self, window: Window | None, facts: Facts) -> Verdict | None:
        """Return why the event is not this trigger's business, or None if it is."""
        compiled = self.compiled
        if not (facts.name in compiled.expected or facts.name in compiled.opening):
            detail = unexpected(facts.name, self.interest().names)
            return Verdict(window, Reason.NOT_EXPECTED, detail=detail)
        return self.refusal(window, facts)

    def _decide_presence(self, window: Window | None, facts: Facts, time: OpenTime) -> Verdict:
        if window is not None and facts.received >= window.deadline:
            window = None
        if window is not None and window.fired:
            return Verdict(window, Reason.QUIET)
        if facts.name in self.compiled.expected and (window is not None or not self.after):
            window = _counted(window or self._open(facts, time), facts)
            if window.count < self.threshold:
                return Verdict(window, Reason.COUNTED)
            return self._reached(window, facts, time)
        return self._maybe_open(window, facts, time, Reason.NOT_OPEN)

    def _reached(self, window: Window, facts: Facts, time: OpenTime) -> Verdict:
        """Fire; then stay quiet until the window ends, or wait for the next ``after``."""
        if self.after:
            following = self._open(facts, time) if facts.name in self.compiled.opening else None
        else:
            following = replace(window, fired=True, positions=(), causation=None)
        return Verdict(following, Reason.REACHED, fires=True, positions=window.positions)

    def _decide_absence(self, window: Window | None, facts: Facts, time: OpenTime) -> Verdict:
        reason = Reason.NOT_OPEN
        if facts.name in self.compiled.expected and (window is not None or not self.after):
            window, reason = _counted(window or self._open(facts, time), facts), Reason.COUNTED
            if window.count >= self.threshold:
                reason = Reason.SATISFIED
                window = None if self.after else self._open(facts, time)
        return self._maybe_open(window, facts, time, reason)

    def _maybe_open(
        self, window: Window | None, facts: Facts, time: OpenTime, reason: Reason
    ) -> Verdict:
        """Open a window for an ``after`` event, unless one is open: it is not prolonged."""
        if window is None and facts.name in self.compiled.opening:
            reason = Reason.OPENED if reason is Reason.NOT_OPEN else reason
            return Verdict(self._open(facts, time), reason)
        return Verdict(window, reason)

    def _open(self, facts: Facts, time: OpenTime) -> Window:
        # Only what `after` opened is caused by its opener: a missed heartbeat is nobody's effect.
        caused = bool(self.after)
        return Window(
            opened=facts.received,
            deadline=self.deadline(facts.received, time),
            position=facts.position,
            opener=facts.body["id"] if caused else None,
            positions=(facts.position,) if caused or self.absence else (),
            causation=facts.body.get("causation") if caused else None,
        )


def _counted(window: Window, facts: Facts) -> Window:
    positions = with_position(window.positions, facts.position)
    return replace(window, count=window.count + 1, positions=positions)


class _Compiled:
    """A trigger's names and lengths as plain values: pydantic stays off the hot path."""

    __slots__ = ("absence", "expected", "opening", "within")

    def __init__(self, trigger: EventTrigger) -> None:
        self.expected = Named(trigger.expect or ("*",))
        self.opening = Named(trigger.after)
        self.absence = trigger.posture is Posture.PROACTIVE
        self.within = milliseconds(trigger.within)
