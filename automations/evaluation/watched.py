"""Watches the evaluator decide on one event: what each trigger asked, found and concluded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from upshot.events.event import Recorded

from ..conditions.condition import Judged
from ..control import explaining
from ..control.base import Ruling
from ..control.candidate import Candidate
from ..control.explaining import StagePart
from ..control.loops import loop
from ..control.pipeline import Step
from ..outcomes import Outcome
from ..triggers import CompositeTrigger, Facts, Fired, Memory, Reason
from ..triggers.explaining import Checks
from ..triggers.gathering import Gathering
from .evaluator import Evaluator
from .nodes import Node


@dataclass(slots=True)
class Part:
    """One trigger of the tree and what became of it.

    Attributes:
        trigger: its kind. place: where it stands in the definition, ``trigger.triggers.1``.
        bucket: the bucket's values, by ``for_each`` entry.
        verdict: the reason, by name. fires: whether it fired.
        detail: expected against actual, or the error, for people.
        checks: what it asks, and what it found.
        window: the bucket's window afterwards; None where none is open.
        negated: whether it must not fire.
        held: when it fired, in the log's ms, while the trigger around it holds that.
        parts: the triggers within it.
    """

    trigger: str
    place: str
    bucket: dict[str, str]
    verdict: Reason
    fires: bool
    detail: str
    checks: Checks
    window: dict[str, Any] | None = None
    negated: bool = False
    held: int | None = None
    parts: list[Part] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the part, and all within it, as data."""
        return {
            "trigger": self.trigger,
            "place": self.place,
            "bucket": self.bucket,
            "verdict": self.verdict.value,
            "fires": self.fires,
            "detail": self.detail,
            "checks": [check.to_dict() for check in self.checks],
            "window": self.window,
            "negated": self.negated,
            "held": self.held,
            "parts": [part.to_dict() for part in self.parts],
        }


@dataclass(slots=True)
class Seen:
    """What was decided on one event, by the triggers' keys and by those of control's stages."""

    facts: Facts
    parts: dict[str, Part] = field(default_factory=dict)
    stages: dict[str, StagePart] = field(default_factory=dict)

    def note(
        self, step: Step, memory: Memory | None, candidate: Candidate, ruling: Ruling | Judged
    ) -> None:
        """Remember what a stage decides on a firing by this event."""
        if candidate.event is self.facts.recorded:
            self.stages[step.key] = explaining.decided(step, memory, candidate, ruling)


class Watched(Evaluator):
    """The evaluator, which tells what it decides on the event that is watched."""

    _seen: Seen | None = None

    def watch(self, event: Recorded) -> Seen:
        """Remember what is decided on this event."""
        self._seen = Seen(Facts(event))
        self._controls.watcher = self._seen.note
        return self._seen

    def unwatch(self, seen: Seen) -> dict[str, Part]:
        """Return what was decided, by each trigger; what was not asked now says why."""
        for node in self.nodes.of(self._only()):
            if node.key not in seen.parts:
                composite = isinstance(node.trigger, CompositeTrigger)
                part = self._idle(node, seen) if composite else self._leaf(node, seen.facts)
                seen.parts[node.key] = part
        for key, part in seen.parts.items():
            part.window = part.window or _window(self._window_of(key, seen))
            self._place(part, self.nodes[key], seen)
        self._seen = self._controls.watcher = None
        return seen.parts

    def control(self, seen: Seen) -> list[StagePart]:
        """Return what each stage of control decided, in order, or how it stands."""
        node = next(self.nodes.of(self._only()))
        found = self._guarded(node, seen.facts)
        pipeline = node.entry.pipeline
        if pipeline is None:
            return found
        bucket = node.bucket(seen.facts)
        labels = node.trigger.labels(bucket)
        return found + [
            seen.stages.get(step.key) or explaining.idle(pipeline, step, bucket, labels, seen.facts)
            for step in pipeline.steps
        ]

    def _guarded(self, node: Node, facts: Facts) -> list[StagePart]:
        """Return what the loop guard says, where something led to the event."""
        causation, most = facts.body.get("causation"), node.entry.automation.control.max_depth
        if not causation:
            return []
        why = loop(causation, node.entry.id, most)
        return [explaining.guarded(facts, node.entry.id, most, why)]

    def _only(self) -> str:
        return next(iter(self.nodes.ids()))

    def _place(self, part: Part, node: Node, seen: Seen) -> None:
        """Say what a part is to the trigger around it."""
        if node.parent is None:
            return
        part.negated = node.index in node.parent.trigger.negated
        gathered = self._window_of(node.parent.key, seen)
        if isinstance(gathered, Gathering) and node.index in gathered.chains:
            part.held = gathered.chains[node.index][-1].at

    def _window_of(self, key: str, seen: Seen) -> Memory | None:
        node = self.nodes[key]
        return node.windows.get(node.bucket(seen.facts))

    def _evaluate(self, node: Node, facts: Facts) -> Sequence[Outcome]:
        if self._seen is not None:
            self._seen.parts[node.key] = self._leaf(node, facts)
        return super()._evaluate(node, facts)

    def _decide(self, node: Node, bucket: str, fired: Mapping[int, Fired]) -> Sequence[Outcome]:
        if self._seen is not None:
            self._seen.parts[node.key] = self._gathered(node, bucket, fired)
        return super()._decide(node, bucket, fired)

    def _leaf(self, node: Node, facts: Facts) -> Part:
        trigger = node.trigger
        bucket = ""
        try:
            bucket = trigger.bucket(facts)
            window = node.windows.get(bucket)
            verdict = trigger.decide(window, facts, self._time)
            checks = trigger.explain(window, facts, verdict)
        except Exception as error:  # noqa: BLE001 - as the engine, which tells it in its event
            return _part(node, bucket, Reason.ERROR, False, repr(error), [])
        part = _part(node, bucket, verdict.reason, verdict.fires, verdict.detail, checks)
        part.window = _window(verdict.window)
        return part

    def _gathered(self, node: Node, bucket: str, fired: Mapping[int, Fired]) -> Part:
        window = node.windows.get(bucket)
        verdict = node.trigger.gather(window, fired, self._time)
        checks = node.trigger.explain(window, fired.keys(), verdict.fires)
        part = _part(node, bucket, verdict.reason, verdict.fires, verdict.detail, checks)
        part.window = _window(verdict.window)
        return part

    def _idle(self, node: Node, seen: Seen) -> Part:
        """Return a trigger of triggers none of which fired."""
        bucket = node.bucket(seen.facts)
        window = node.windows.get(bucket)
        checks = node.trigger.explain(window, (), False)
        reason = Reason.GATHERED if window is not None else Reason.NOT_OPEN
        return _part(node, bucket, reason, False, "", checks)


def _part(
    node: Node, bucket: str, reason: Reason, fires: bool, detail: str, checks: Checks
) -> Part:
    steps = node.key.partition("#")[2]
    place = "".join(f".triggers.{int(step, 16)}" for step in steps.split(".") if step)
    kind, labels = node.trigger.type, node.trigger.labels(bucket)
    return Part(kind, f"trigger{place}", labels, reason, fires, detail, checks)


def _window(window: Memory | None) -> dict[str, Any] | None:
    """Return a window as people ask for it: when it opened, when it ends, what it counted."""
    if window is None:
        return None
    shown = {"opened": window.opened, "ends": window.deadline or None}
    counted = getattr(window, "count", None)
    return shown if counted is None else {**shown, "count": counted}
