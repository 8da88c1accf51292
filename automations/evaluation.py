"""Evaluates automations over the log, in memory: no I/O and no clock, so that live is replay.

define / remove / restore_window / note_gap      what to evaluate, and with what memory
on_event: deadlines before it → candidates from the index → the trigger decides → a firing
take_changes / oldest_position                   what to keep, and what the log must keep
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from upshot.events.event import Causation, Recorded

from .definition import Automation
from .firing import Firing, Occasion, Suppression, firing_id
from .index import Index
from .logtime import OpenTime
from .timers import Key
from .triggers import Facts, Reason, Trigger, Verdict, Window
from .windows import OpenWindows

Outcome: TypeAlias = Firing | Suppression

_SUPPRESSED: Final = "automation.suppressed"
_LOOP: Final = "this automation itself led to the event"


class Defined(StrEnum):
    """What became of an automation's windows when it was defined."""

    NEW = "new"
    KEPT = "kept"
    RESET = "reset"
    DISABLED = "disabled"


@dataclass(slots=True)
class Statistics:
    """Counts since the evaluator was made.

    Attributes:
        events: events seen.
        decisions: trigger decisions made.
        firings: firings decided.
        suppressions: firings suppressed and evaluations that failed.
        where_errors: events on which a ``where`` could not be evaluated.
    """

    events: int = 0
    decisions: int = 0
    firings: int = 0
    suppressions: int = 0
    where_errors: int = 0


@dataclass(slots=True)
class _Entry:
    """An automation in force."""

    automation: Automation
    version: int
    id: str
    trigger: Trigger
    windows: dict[str, Window]


class Evaluator:
    """The automations of a shard and the windows they have open.

    Args:
        time: the gaps known at the start.
    """

    def __init__(self, time: OpenTime | None = None) -> None:
        self.stats = Statistics()
        self._time = time or OpenTime()
        self._closed_since: int | None = None
        self._windows = OpenWindows(self._time)
        self._entries: dict[str, _Entry] = {}
        self._index: Index[_Entry] = Index()

    def define(self, automation: Automation, version: int, position_ms: int) -> Defined:
        """Put an automation in force.

        Its windows stay where its trigger is unchanged and are dropped where it is not. A disabled
        automation has none.

        Args:
            automation: the definition.
            version: counts up with each change of it.
            position_ms: its place in the log, in milliseconds.
        """
        before = self._entries.get(automation.id)
        kept = before is not None and before.trigger == automation.trigger and automation.enabled
        if not kept:
            self.remove(automation.id)
        if not automation.enabled:
            return Defined.DISABLED
        trigger = before.trigger if before is not None and kept else automation.trigger
        windows = self._windows.own(automation.id, trigger)
        entry = _Entry(automation, version, automation.id, trigger, windows)
        self._entries[entry.id] = entry
        self._index.add(entry.id, trigger.interest(), entry)
        if not kept and trigger.begins_when_defined:
            self._windows.put((entry.id, ""), trigger.begin(position_ms, self._time))
        return Defined.KEPT if kept else Defined.RESET if before is not None else Defined.NEW

    def remove(self, automation_id: str) -> None:
        """Take an automation out of force and close its windows."""
        self._entries.pop(automation_id, None)
        self._index.remove(automation_id)
        self._windows.disown(automation_id)

    def restore_window(self, automation_id: str, bucket: str, body: bytes) -> bool:
        """Open a window as it was kept; tell whether its automation is in force."""
        return self._windows.restore((automation_id, bucket), body)

    def note_gap(self, start: int, end: int) -> None:
        """Learn that the log was closed to outside senders from ``start`` to ``end`` (ms)."""
        self._windows.add_gap(start, end)

    def hold(self, closed_since: int | None) -> None:
        """Let no absence fall due while the log is closed to outside senders.

        Args:
            closed_since: since when it is closed, in the log's milliseconds; None while it is open.
        """
        self._closed_since = closed_since

    def on_event(self, recorded: Recorded) -> list[Outcome]:
        """Evaluate one event, and before it the deadlines that the log has now passed."""
        outcomes = self.advance(recorded.received)
        self.stats.events += 1
        body = recorded.body
        candidates = self._index.candidates(body["event"], body["resource"], body["related"])
        if candidates:
            facts = Facts(recorded)
            for entry in candidates:
                if (outcome := self._evaluate(entry, facts)) is not None:
                    outcomes.append(outcome)
        return outcomes

    def advance(self, now_ms: int) -> list[Outcome]:
        """Judge every absence whose deadline lies strictly before ``now_ms``, in order."""
        outcomes: list[Outcome] = []
        closed = self._closed_since
        open_until = now_ms if closed is None else min(now_ms, closed)
        for when, (automation_id, bucket) in self._windows.overdue(open_until):
            if (outcome := self._expire(self._entries[automation_id], bucket, when)) is not None:
                outcomes.append(outcome)
        self._windows.close_ended(now_ms)
        return outcomes

    def next_deadline(self) -> int | None:
        """Return the log's millisecond past which the next absence is judged, or None."""
        return self._windows.next_deadline()

    def take_changes(self) -> dict[Key, bytes | None]:
        """Return the windows changed since the last call, as they are kept; None where closed."""
        return self._windows.take_changes()

    def oldest_position(self) -> str | None:
        """Return the oldest log position that an open window still refers to, or None."""
        return self._windows.oldest_position()

    @property
    def windows(self) -> OpenWindows:
        """The open windows, to be read."""
        return self._windows

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, automation_id: str) -> bool:
        return automation_id in self._entries

    def _evaluate(self, entry: _Entry, facts: Facts) -> Outcome | None:
        self.stats.decisions += 1
        bucket, event = "", facts.recorded
        try:
            bucket = entry.trigger.bucket(facts)
            window = entry.windows.get(bucket)
            verdict = entry.trigger.decide(window, facts, self._time)
            if verdict.fires:
                return self._act(entry, verdict, Occasion.of_event(bucket, event))
        except Exception as error:  # noqa: BLE001 - one automation that fails must not stop the others
            return self._suppress(
                entry, Occasion.of_event(bucket, event), Reason.ERROR, repr(error)
            )
        if verdict.window is not window:
            self._windows.put((entry.id, bucket), verdict.window)
        elif verdict.reason is Reason.WHERE_ERROR:
            self.stats.where_errors += 1
        return None

    def _expire(self, entry: _Entry, bucket: str, when: int) -> Outcome | None:
        window = entry.windows[bucket]
        verdict = entry.trigger.at_deadline(window, self._time)
        self._windows.put((entry.id, bucket), verdict.window)
        if not verdict.fires:
            return None
        cause = f"{window.position}/{when}"
        occasion = Occasion(bucket, cause, when, None, window.opener, window.causation)
        return self._act(entry, verdict, occasion)

    def _act(self, entry: _Entry, verdict: Verdict, occasion: Occasion) -> Outcome | None:
        """Fire, unless the automation itself led here.

        Then its window stays as it was: a loop doesn't use up a firing that others may cause.
        """
        if occasion.causation and entry.id in occasion.causation.get("automations", ()):
            return self._suppress(entry, occasion, Reason.LOOP, _LOOP)
        key = (entry.id, occasion.bucket)
        if verdict.window is not entry.windows.get(occasion.bucket):
            self._windows.put(key, verdict.window)
        self.stats.firings += 1
        return _firing(entry, verdict, occasion)

    def _suppress(
        self, entry: _Entry, occasion: Occasion, reason: Reason, message: str
    ) -> Suppression | None:
        self.stats.suppressions += 1
        event = occasion.event
        if event is not None and event.name == _SUPPRESSED:
            return None  # the report of a suppression must not bring forth the next one, for ever
        name, version = entry.automation.name, entry.version
        return Suppression(
            entry.id, name, version, occasion.bucket, reason, event, occasion.at, message
        )


def _firing(entry: _Entry, verdict: Verdict, occasion: Occasion) -> Firing:
    identity = firing_id(entry.id, occasion.bucket, occasion.cause)
    causation = Causation.model_validate(occasion.causation or {})
    return Firing(
        id=identity,
        automation_id=entry.id,
        automation=entry.automation.name,
        version=entry.version,
        bucket=occasion.bucket,
        labels=entry.trigger.labels(occasion.bucket),
        reason=verdict.reason,
        positions=verdict.positions,
        event=occasion.event,
        causation=causation.passing(occasion.caused_by or identity, entry.id),
        at=occasion.at,
    )
