"""Runs an automation over recorded events as the engine would have, and acts on nothing.

events, oldest first → the evaluator → firings, their actions filled in, and suppressions
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from upshot.events.event import Recorded

from ..control.progress import NEVER_TOLD
from ..definition import Automation
from ..evaluation.answering import Answerer, nothing, settled
from ..evaluation.evaluator import Evaluator
from ..firing import Firing
from ..logtime import OpenTime
from ..outcomes import Outcome, Suppression
from .rendering import Lookups, render

MOST_REMEMBERED: Final = 50_000
"""Events kept for templates; the oldest ones that no window needs any more are left out."""

Moment: TypeAlias = tuple[int, str, str]
"""When something fired, in ms, for which bucket, and the last event's position, if any."""


@dataclass(slots=True)
class Result:
    """What came out.

    Attributes:
        events: how many were evaluated.
        firings: what would have fired, with its actions as filled in; the first ``limit``.
        suppressed: what would have been suppressed, and why; the first ``limit``.
        counts: how many there were of each: ``firings``, and each suppression's reason.
        failed: how many actions could not be filled in.
    """

    events: int = 0
    firings: list[dict[str, Any]] = field(default_factory=list)
    suppressed: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    failed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the result as data."""
        return {
            "firings": self.firings,
            "suppressed": self.suppressed,
            "events": self.events,
            "counts": {"firings": 0, **self.counts},
            "failed": self.failed,
        }


class Backtest:
    """One automation on its way over the past.

    Args:
        automation: the definition; a disabled one is tested as if it were not.
        since: the log's millisecond at which it comes into force.
        gaps: spans in which the log was closed to outside senders, in ms.
        version: of the definition. limit: how many firings, and suppressions, are kept.
        lookups: what templates see besides. answerer: answers what conditions look up.
        acts_since: the log's millisecond from which on the past tells what became of its firings;
            by default it never does. takes: for how many ms, then, each one is in progress.
    """

    def __init__(
        self,
        automation: Automation,
        since: int,
        gaps: Iterable[tuple[int, int]] = (),
        *,
        version: int = 1,
        limit: int = 1000,
        lookups: Lookups | None = None,
        answerer: Answerer = nothing,
        acts_since: int | None = None,
        takes: int = 0,
    ) -> None:
        self.automation = automation.model_copy(update={"enabled": True})
        self.result = Result()
        told_since = NEVER_TOLD if acts_since is None else acts_since
        self._evaluator = Evaluator(OpenTime(gaps), acts_since=told_since, takes=takes)
        self._evaluator.define(self.automation, version, since)
        self._limit = limit
        self._lookups = lookups or Lookups()
        self._answerer = answerer
        self._events: dict[str, Recorded] = {}
        self._fired: set[Moment] = set()

    @property
    def fired(self) -> set[Moment]:
        """Its firings, as two versions are compared by them."""
        return self._fired

    def feed(self, events: Sequence[Recorded]) -> None:
        """Evaluate events, which follow those before them."""
        evaluator, stats = self._evaluator, self._evaluator.stats
        for event in events:
            if due := evaluator.advance(event.received):
                self._keep(due)
            decided = stats.decisions
            outcomes = evaluator.on_event(event)
            if stats.decisions != decided:
                self._events[event.position] = event
            if outcomes:
                self._keep(outcomes)
        self.result.events += len(events)
        if len(self._events) > MOST_REMEMBERED:
            self._forget()

    def finish(self, now: int) -> Result:
        """Judge what was due before ``now`` (ms), where the past ends; return the result."""
        self._keep(self._evaluator.advance(now))
        return self.result

    def _keep(self, outcomes: Iterable[Outcome]) -> None:
        result = self.result
        if self.automation.conditions:
            outcomes = settled(self._evaluator, outcomes, self._answerer, self._events)
        for outcome in outcomes:
            if isinstance(outcome, Firing):
                result.counts["firings"] += 1
                last = outcome.positions[-1] if outcome.positions else ""
                self._fired.add((outcome.at, outcome.bucket, last))
                if len(result.firings) < self._limit:
                    result.firings.append(self._told(outcome))
            elif isinstance(outcome, Suppression):
                result.counts[outcome.reason.value] += 1
                if len(result.suppressed) < self._limit:
                    result.suppressed.append(_suppressed(outcome))

    def _told(self, firing: Firing) -> dict[str, Any]:
        known = (self._events.get(position) for position in firing.positions)
        events = [event for event in known if event is not None]
        actions = render(firing, self.automation, events, self._lookups)
        self.result.failed += sum(each["outcome"] == "failed" for each in actions)
        cause = firing.event or (events[-1] if events else None)
        return {
            **firing.summary(),
            "cause": cause and cause.id,
            "events": [event.id for event in events],
            "actions": actions,
        }

    def _forget(self) -> None:
        """Drop events that no window refers to; where the triggers don't pin them, the oldest."""
        oldest = self._evaluator.oldest_position()
        positions = list(self._events)
        if oldest in self._events:
            dropped = positions[: positions.index(oldest)]
        else:
            dropped = positions[: -MOST_REMEMBERED // 2]
        for position in dropped:
            del self._events[position]


def _suppressed(suppression: Suppression) -> dict[str, Any]:
    event = suppression.event
    told: dict[str, Any] = {
        "automation": suppression.automation,
        "bucket": suppression.bucket,
        "labels": suppression.labels,
        "reason": suppression.reason.value,
        "at": suppression.at,
        "event": event and event.id,
        "message": suppression.message,
    }
    if suppression.stage:
        told |= {"stage": suppression.stage, "key": suppression.key}
    if suppression.conditions:
        told["conditions"] = list(suppression.conditions)
    return told


def difference(one: Backtest, other: Backtest) -> dict[str, Any]:
    """Return which firings only one of two has, by when and for which bucket."""
    return {
        "only_this": _moments(one.fired - other.fired),
        "only_against": _moments(other.fired - one.fired),
        "same": len(one.fired & other.fired),
    }


def _moments(fired: set[Moment]) -> list[dict[str, Any]]:
    return [
        {"at": at, "bucket": bucket, "position": last} for at, bucket, last in sorted(fired)[:1000]
    ]
