"""Lets the triggers in force decide: on events, at deadlines, and on what fired within them.

a trigger decides → it fires → the outermost one: its control, if it has any → a firing
                             → a part of another one: that one decides, and so on
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..control.candidate import Candidate
from ..control.controls import Controls
from ..control.loops import loop
from ..firing import Occasion, come_about
from ..logtime import OpenTime
from ..outcomes import Outcome
from ..tally import Statistics
from ..triggers import Facts, Fired, Reason, Verdict
from ..windows import OpenWindows
from .gathered import Gathered
from .nodes import Node, Nodes


class Deciding:
    """The triggers in force, their windows, and the control behind them.

    Args:
        time: the gaps known at the start.
        acts_since, takes: see ``Evaluator``.
    """

    def __init__(self, time: OpenTime, acts_since: int, takes: int) -> None:
        self.stats = Statistics()
        self._time = time
        self._windows = OpenWindows(time)
        self._controls = Controls(self._windows, self.stats, acts_since, takes)
        self._nodes = Nodes(self._windows, time, self._controls)
        self._fired = Gathered(self._nodes)

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
        candidate = Candidate.of(verdict, occasion, labels)
        return [come_about(entry.id, entry.automation, entry.version, candidate)]

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
