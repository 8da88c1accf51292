"""Says why an automation fires on an event, or the first reason why it does not.

the past, event by event → the evaluator as it then was → the event, by the same code, watched →
a tree of the automation's triggers with each one's verdict, expected against actual
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from upshot.events.event import Recorded

from .definition import Automation
from .evaluation import Evaluator, Outcome
from .firing import Firing, Suppression
from .logtime import OpenTime
from .nodes import Node
from .triggers import CompositeTrigger, Facts, Fired, Memory, Reason
from .triggers.explaining import Checks
from .triggers.selection import Named

NEAR: Final = frozenset(
    {Reason.COUNTED, Reason.NOT_OPEN, Reason.QUIET, Reason.NO_MATCH, Reason.NO_RELATED_MATCH}
    | {Reason.WHERE_FALSE, Reason.WHERE_ERROR, Reason.GATHERED, Reason.VETOED, Reason.WAITING_OUT}
    | {Reason.OUT_OF_ORDER, Reason.SUSTAINING, Reason.UNRECOVERED, Reason.WITHIN_LIMITS}
    | {Reason.WARMING_UP, Reason.NO_DATA, Reason.NO_VALUE, Reason.LOOP, Reason.ERROR}
)
"""Reasons for which an event that was waited for did not fire."""


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
            "parts": [part.to_dict() for part in self.parts],
        }


@dataclass(slots=True, frozen=True)
class Explanation:
    """Why an automation fires on an event, or not.

    Attributes:
        automation: its name.
        event: the event.
        fired: whether it fires.
        reason: what it fires on, or the first reason why it does not, by name.
        tree: the outermost trigger.
    """

    automation: str
    event: Recorded
    fired: bool
    reason: str
    tree: Part

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation as data."""
        shown = {key: self.event.body[key] for key in ("id", "event", "resource")}
        return {
            "automation": self.automation,
            "event": {**shown, "received": self.event.received},
            "fired": self.fired,
            "reason": self.reason,
            "tree": self.tree.to_dict(),
        }


class Explainer:
    """Follows one automation over the past and explains what it does on an event.

    Args:
        automation: the definition; one that is disabled is explained as if it were not.
        since: the log's millisecond at which it comes into force.
        gaps: spans in which the log was closed to outside senders, in ms.
        version: of the definition.
    """

    def __init__(
        self,
        automation: Automation,
        since: int,
        gaps: Iterable[tuple[int, int]] = (),
        version: int = 1,
    ) -> None:
        self._automation = automation
        self._evaluator = _Watched(OpenTime(gaps))
        enabled = automation.model_copy(update={"enabled": True})
        self._evaluator.define(enabled, version, since)
        self._names = _awaited(self._evaluator.nodes.of(automation.id))

    def follow(self, event: Recorded) -> None:
        """Take an event of the past as the engine would."""
        self._evaluator.on_event(event)

    def explain(self, event: Recorded) -> Explanation:
        """Take an event as the engine would, and say what it does."""
        evaluator = self._evaluator
        evaluator.advance(event.received)
        seen = evaluator.watch(event)
        outcomes = evaluator.on_event(event)
        nodes = list(evaluator.nodes.of(self._automation.id))
        tree = _tree(nodes, evaluator.unwatch(seen))
        fired, reason = _conclusion(outcomes, tree)
        if fired and not self._automation.enabled:
            fired, reason = False, "disabled"
        return Explanation(self._automation.name, event, fired, reason, tree)

    def awaits(self, event: Recorded) -> bool:
        """Tell whether the event's name is one that some trigger waits for."""
        return any(event.name in names for names in self._names)

    def near_misses(self, events: Iterable[Recorded], last: int) -> list[Explanation]:
        """Return the latest events that were waited for and did not fire, newest first."""
        misses: deque[Explanation] = deque(maxlen=last)
        for event in events:
            if not self.awaits(event):
                self.follow(event)
                continue
            explained = self.explain(event)
            if not explained.fired and explained.reason in NEAR:
                misses.append(explained)
        return list(reversed(misses))


def _awaited(nodes: Iterator[Node]) -> list[Named]:
    interests = (node.trigger.interest() for node in nodes)
    return [Named(interest.names) for interest in interests if interest is not None]


@dataclass(slots=True)
class _Seen:
    """What was decided on one event, by the triggers' keys."""

    facts: Facts
    parts: dict[str, Part] = field(default_factory=dict)


class _Watched(Evaluator):
    """The evaluator, which tells what it decides on the event that is watched."""

    _seen: _Seen | None = None

    def watch(self, event: Recorded) -> _Seen:
        """Remember what is decided on this event."""
        self._seen = _Seen(Facts(event))
        return self._seen

    def unwatch(self, seen: _Seen) -> dict[str, Part]:
        """Return what was decided, by each trigger; what was not asked now says why."""
        for node in self.nodes.of(self._only()):
            if node.key not in seen.parts:
                composite = isinstance(node.trigger, CompositeTrigger)
                part = self._idle(node, seen) if composite else self._leaf(node, seen.facts)
                seen.parts[node.key] = part
        for key, part in seen.parts.items():
            part.window = part.window or _window(self._window_of(key, seen))
        self._seen = None
        return seen.parts

    def _only(self) -> str:
        return next(iter(self.nodes.ids()))

    def _window_of(self, key: str, seen: _Seen) -> Memory | None:
        node = self.nodes[key]
        return node.windows.get(_bucket(node, seen.facts))

    def _evaluate(self, node: Node, facts: Facts) -> Outcome | None:
        if self._seen is not None:
            self._seen.parts[node.key] = self._leaf(node, facts)
        return super()._evaluate(node, facts)

    def _decide(self, node: Node, bucket: str, fired: Mapping[int, Fired]) -> Outcome | None:
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

    def _idle(self, node: Node, seen: _Seen) -> Part:
        """Return a trigger of triggers none of which fired."""
        bucket = _bucket(node, seen.facts)
        window = node.windows.get(bucket)
        checks = node.trigger.explain(window, (), False)
        reason = Reason.GATHERED if window is not None else Reason.NOT_OPEN
        return _part(node, bucket, reason, False, "", checks)


def _bucket(node: Node, facts: Facts) -> str:
    if isinstance(node.trigger, CompositeTrigger):
        return node.trigger.bucket_of(Fired(facts.received, facts.position, (), {}, facts))
    found: str = node.trigger.bucket(facts)
    return found


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


def _tree(nodes: list[Node], parts: dict[str, Part]) -> Part:
    for node in nodes:
        if node.parent is not None:
            parts[node.parent.key].parts.append(parts[node.key])
    return parts[nodes[0].key]


def _conclusion(outcomes: list[Outcome], tree: Part) -> tuple[bool, str]:
    """Return whether it fired, and on what; else the first reason why it did not."""
    for kind in (Firing, Suppression):
        for outcome in outcomes:
            if isinstance(outcome, kind):
                return kind is Firing, outcome.reason.value
    return False, _first(tree).value


def _first(part: Part) -> Reason:
    """Return the reason of the trigger that came closest, or of the first one that did not fire."""
    if not part.parts or part.verdict not in (Reason.NOT_OPEN, Reason.GATHERED):
        return part.verdict
    if any(each.fires for each in part.parts):
        return part.verdict
    reasons = [_first(each) for each in part.parts if not each.fires]
    return next((each for each in reasons if each is not Reason.NOT_EXPECTED), part.verdict)
