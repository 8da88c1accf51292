"""Evaluates automations over the log, in memory: no I/O and no clock, so that live is replay.

define / remove / restore_window / note_gap      what to evaluate, and with what memory
on_event: deadlines before it → candidates from the index → the trigger decides → it fires:
    the outermost trigger → its control, if it has any → a firing
    a part of another trigger → that one decides, and so on
proceed                                          what conditions asked for is answered
take_changes / oldest_position                   what to keep, and what the log must keep
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from upshot.events.event import Recorded

from .conditions import Answers
from .control.controls import Controls
from .control.loops import loop
from .definition import Automation
from .firing import Firing, Occasion, decided
from .gathered import Gathered
from .logtime import OpenTime
from .nodes import Defined, Node, Nodes
from .outcomes import Asked, Outcome
from .tally import Statistics
from .timers import Key
from .triggers import Facts, Fired, Reason, Verdict
from .windows import OpenWindows


class Evaluator:
    """The automations of a shard and the windows they have open.

    Args:
        time: the gaps known at the start.
        acts_since: the log's ms from which on it tells of what firings set off; before that, and
            where they are only tried out, each is taken to be in progress for ``takes`` ms.
    """

    def __init__(
        self, time: OpenTime | None = None, *, acts_since: int = 0, takes: int = 0
    ) -> None:
        self.stats = Statistics()
        self._time = time or OpenTime()
        self._closed_since: int | None = None
        self._windows = OpenWindows(self._time)
        self._controls = Controls(self._windows, self.stats, acts_since, takes)
        self._nodes = Nodes(self._windows, self._time, self._controls)
        self._fired = Gathered(self._nodes)

    def define(self, automation: Automation, version: int, position_ms: int) -> Defined:
        """Put an automation in force.

        The windows of each of its triggers, and of each stage of its control, stay where that one
        is unchanged and are dropped where it is not. A disabled automation has none.

        Args:
            automation: the definition.
            version: counts up with each change of it.
            position_ms: its place in the log, in milliseconds.
        """
        return self._nodes.define(automation, version, position_ms)

    def remove(self, automation_id: str) -> None:
        """Take an automation out of force and close its windows."""
        self._nodes.remove(automation_id)

    def restore_window(self, node: str, bucket: str, body: bytes) -> bool:
        """Open a window as it was kept, under its trigger's key; tell whether that is in force."""
        restored = self._windows.restore((node, bucket), body)
        if restored and "!" in node:
            self._controls.restored(node, bucket)
        return restored

    def note_gap(self, start: int, end: int) -> None:
        """Learn that the log was closed to outside senders from ``start`` to ``end`` (ms)."""
        self._windows.add_gap(start, end)

    def hold(self, closed_since: int | None) -> None:
        """Let no absence fall due while the log is closed to outside senders.

        Args:
            closed_since: since when it is closed, in the log's milliseconds; None while it is open.
        """
        self._closed_since = closed_since
        self._time.hold(closed_since)

    def on_event(self, recorded: Recorded) -> list[Outcome]:
        """Evaluate one event, and before it the deadlines that the log has now passed."""
        outcomes = self.advance(recorded.received)
        self.stats.events += 1
        controls = self._controls
        if controls.awaiting and recorded.own:
            outcomes += controls.learn(recorded)
        body = recorded.body
        candidates = self._nodes.index.candidates(body["event"], body["resource"], body["related"])
        if candidates:
            facts = Facts(recorded)
            for node in candidates:
                outcomes += self._evaluate(node, facts)
            if self._fired:
                outcomes += self._gather()
        if controls.resolving:
            outcomes += controls.resolve(recorded)
        return outcomes

    def proceed(self, asked: Asked, answers: Answers) -> list[Outcome]:
        """Go on where conditions asked for look-ups, before the next event is evaluated.

        Args:
            asked: what was asked. answers: what was found, for each of its questions.

        Returns:
            What follows; there may be more to ask among it.
        """
        return self._controls.proceed(asked, answers)

    def advance(self, now_ms: int) -> list[Outcome]:
        """Judge everything whose deadline lies strictly before ``now_ms``, in order."""
        if self._windows.quiet_until(now_ms):
            return []
        outcomes: list[Outcome] = []
        closed = self._closed_since
        open_until = now_ms if closed is None else min(now_ms, closed)
        while (due := self._windows.take_due(now_ms, open_until)) is not None:
            when, keys = due
            for key, bucket in keys:
                if "!" in key:
                    outcomes += self._controls.at_deadline(key, bucket, when)
                else:
                    outcomes += self._expire(self._nodes[key], bucket, when)
            if self._fired:  # one moment's firings count together, as one event's do
                outcomes += self._gather()
        self._windows.close_ended(now_ms)
        return outcomes

    def give_up(self, firing: Firing) -> None:
        """Learn that a firing could not be recorded: nothing of it will ever end."""
        self._controls.give_up(firing)

    def next_deadline(self) -> int | None:
        """Return the log's millisecond past which something is judged next, or None."""
        return self._windows.next_deadline()

    def take_changes(self) -> dict[Key, bytes | None]:
        """Return the windows changed since the last call, as they are kept; None where closed."""
        return self._windows.take_changes()

    def oldest_position(self) -> str | None:
        """Return the oldest log position that an open window still refers to, or None."""
        return self._windows.oldest_position()

    @property
    def nodes(self) -> Nodes:
        """The triggers in force, to be read."""
        return self._nodes

    @property
    def windows(self) -> OpenWindows:
        """The open windows, to be read."""
        return self._windows

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, automation_id: str) -> bool:
        return automation_id in self._nodes

    def _evaluate(self, node: Node, facts: Facts) -> Sequence[Outcome]:
        self.stats.decisions += 1
        bucket, event = "", facts.recorded
        try:
            bucket = node.trigger.bucket(facts)
            window = node.windows.get(bucket)
            verdict = node.trigger.decide(window, facts, self._time)
            if verdict.fires:
                return self._fire(node, verdict, Occasion.of_event(bucket, event), facts)
        except Exception as error:  # noqa: BLE001 - one automation that fails must not stop the others
            return self._fail(node, Occasion.of_event(bucket, event), error)
        if verdict.window is not window:
            self._windows.put((node.key, bucket), verdict.window)
        elif verdict.reason is Reason.WHERE_ERROR:
            self.stats.where_errors += 1
        return ()

    def _expire(self, node: Node, bucket: str, when: int) -> Sequence[Outcome]:
        window = node.windows[bucket]
        cause = f"{window.position}/{when}"
        occasion = Occasion(bucket, cause, when, None, window.opener, window.causation)
        try:
            verdict = node.trigger.at_deadline(window, self._time)
        except Exception as error:  # noqa: BLE001 - as above; the window is given up
            self._windows.put((node.key, bucket), None)
            return self._fail(node, occasion, error)
        self._windows.put((node.key, bucket), verdict.window)
        return self._fire(node, verdict, occasion, None) if verdict.fires else ()

    def _fire(
        self, node: Node, verdict: Verdict, occasion: Occasion, facts: Facts | None
    ) -> Sequence[Outcome]:
        """Act on a trigger that fires, or tell the one that it is a part of.

        Where the automation itself led here its window stays as it was: a loop doesn't use up a
        firing that others may cause.
        """
        if occasion.causation and (why := self._loop(node, occasion.causation)):
            return self._suppress(node, occasion, Reason.LOOP, why)
        self._remember(node, occasion.bucket, verdict)
        if node.parent is None:
            return self._act(node, verdict, occasion, facts)
        self._fired.add(node, verdict, occasion, facts)
        return ()

    def _gather(self) -> list[Outcome]:
        """Let the triggers of triggers decide on what fired in them, the innermost ones first."""
        taken = self._fired.take()
        return [each for gathered in taken for each in self._decide(*gathered)]

    def _decide(self, node: Node, bucket: str, fired: Mapping[int, Fired]) -> Sequence[Outcome]:
        last = fired[max(fired)]
        event = last.facts.recorded if last.facts else None
        occasion = Occasion(bucket, last.cause, last.at, event, last.opener, last.causation)
        window = node.windows.get(bucket)
        try:
            verdict = node.trigger.gather(window, fired, self._time)
        except Exception as error:  # noqa: BLE001 - one automation that fails must not stop the others
            return self._fail(node, occasion, error)
        if verdict.fires:
            occasion = replace(occasion, causation=verdict.causation)
            return self._fire(node, verdict, occasion, last.facts)
        if verdict.window is not window:
            self._windows.put((node.key, bucket), verdict.window)
        return ()

    def _act(
        self, node: Node, verdict: Verdict, occasion: Occasion, facts: Facts | None
    ) -> Sequence[Outcome]:
        """Fire, or let control decide whether to, and when."""
        entry, labels = node.entry, node.trigger.labels(occasion.bucket)
        if entry.pipeline is not None:
            return self._controls.enter(entry.pipeline, verdict, occasion, labels, facts)
        self.stats.firings += 1
        return [decided(entry.id, entry.automation, entry.version, labels, verdict, occasion)]

    def _loop(self, node: Node, causation: dict[str, Any]) -> str | None:
        return loop(causation, node.entry.id, node.entry.automation.control.max_depth)

    def _remember(self, node: Node, bucket: str, verdict: Verdict) -> None:
        if verdict.window is not node.windows.get(bucket):
            self._windows.put((node.key, bucket), verdict.window)

    def _fail(self, node: Node, occasion: Occasion, error: Exception) -> Sequence[Outcome]:
        return self._suppress(node, occasion, Reason.ERROR, repr(error))

    def _suppress(
        self, node: Node, occasion: Occasion, reason: Reason, message: str
    ) -> Sequence[Outcome]:
        by = (node.entry.id, node.entry.automation, node.entry.version)
        return self._controls.suppress(by, occasion, reason, message)
