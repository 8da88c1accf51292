"""Says why an automation fires on an event, or the first reason why it does not.

the past, event by event → the evaluator as it then was → the event, by the same code, watched →
a tree of the automation's triggers with each one's verdict, expected against actual
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from upshot.events.event import Recorded

from ..control.base import Move
from ..control.explaining import StagePart
from ..control.progress import NEVER_TOLD
from ..definition import Automation, Branch
from ..evaluation.answering import Answerer, nothing, settled
from ..evaluation.nodes import Node
from ..evaluation.watched import Part, Watched
from ..firing import Firing
from ..logtime import OpenTime
from ..outcomes import Asked, Outcome, Resolution, Suppression
from ..triggers import Reason
from ..triggers.selection import Named
from .backtest import MOST_REMEMBERED

NEAR: Final = frozenset(
    {Reason.COUNTED, Reason.NOT_OPEN, Reason.QUIET, Reason.NO_MATCH, Reason.NO_RELATED_MATCH}
    | {Reason.WHERE_FALSE, Reason.WHERE_ERROR, Reason.GATHERED, Reason.VETOED, Reason.WAITING_OUT}
    | {Reason.OUT_OF_ORDER, Reason.SUSTAINING, Reason.UNRECOVERED, Reason.WITHIN_LIMITS}
    | {Reason.WARMING_UP, Reason.NO_DATA, Reason.NO_VALUE, Reason.LOOP, Reason.ERROR}
    | {Reason.UNSETTLED, Reason.DEBOUNCED, Reason.COLLECTING, Reason.THROTTLED, Reason.EXHAUSTED}
    | {Reason.CONDITION_FALSE, Reason.CONDITION_ERROR, Reason.WAITS_ITS_TURN, Reason.QUEUE_FULL}
    | {Reason.IN_PROGRESS, Reason.MAX_IN_PROGRESS}
)
"""Reasons for which an event that was waited for did not fire."""


@dataclass(slots=True, frozen=True)
class Explanation:
    """Why an automation fires on an event, or not.

    Attributes:
        automation: its name.
        event: the event.
        fired: whether it fires.
        reason: what it fires on, or the first reason why it does not, by name.
        tree: the outermost trigger.
        control: the stages of control, in order, and what each did with the firing.
        shadow: whether it only records that it fires.
    """

    automation: str
    event: Recorded
    fired: bool
    reason: str
    tree: Part
    control: list[StagePart]
    shadow: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation as data."""
        shown = {key: self.event.body[key] for key in ("id", "event", "resource")}
        return {
            "automation": self.automation,
            "event": {**shown, "received": self.event.received},
            "fired": self.fired,
            "shadow": self.shadow,
            "reason": self.reason,
            "tree": self.tree.to_dict(),
            "control": [stage.to_dict() for stage in self.control],
        }


class Explainer:
    """Follows one automation over the past and explains what it does on an event.

    Args:
        automation: the definition; one that is disabled is explained as if it were not.
        since: the log's millisecond at which it comes into force.
        gaps: spans in which the log was closed to outside senders, in ms.
        version: of the definition. answerer: answers what conditions look up.
        acts_since: the log's millisecond from which on the past tells what became of its firings;
            None if it never does: then none is in progress.
    """

    def __init__(
        self,
        automation: Automation,
        since: int,
        gaps: Iterable[tuple[int, int]] = (),
        version: int = 1,
        answerer: Answerer = nothing,
        acts_since: int | None = 0,
    ) -> None:
        self._automation = automation
        self._answerer = answerer
        self._events: dict[str, Recorded] = {}
        told_since = NEVER_TOLD if acts_since is None else acts_since
        self._evaluator = Watched(OpenTime(gaps), acts_since=told_since)
        enabled = automation.model_copy(update={"enabled": True})
        self._evaluator.define(enabled, version, since)
        self._names = _awaited(self._evaluator.nodes.of(automation.id))

    def follow(self, event: Recorded) -> None:
        """Take an event of the past as the engine would."""
        self._settled(event, self._evaluator.on_event(event))

    def follow_all(self, events: Iterable[Recorded]) -> None:
        """Take events of the past, oldest first."""
        for event in events:
            self.follow(event)

    def explain(self, event: Recorded) -> Explanation:
        """Take an event as the engine would, and say what it does."""
        evaluator = self._evaluator
        self._settled(event, evaluator.advance(event.received))
        seen = evaluator.watch(event)
        outcomes = self._settled(event, evaluator.on_event(event))
        nodes = list(evaluator.nodes.of(self._automation.id))
        tree = _tree(nodes, evaluator.unwatch(seen))
        control = evaluator.control(seen)
        own = [each for each in outcomes if _is_of(each, event)]
        fired, reason = _conclusion(own, control, tree)
        if fired and not self._automation.enabled:
            fired, reason = False, "disabled"
        name, shadow = self._automation.name, self._automation.shadow
        return Explanation(name, event, fired, reason, tree, control, shadow)

    def _settled(self, event: Recorded, outcomes: list[Outcome]) -> list[Outcome]:
        """Return what follows once what conditions ask is answered."""
        if not self._automation.conditions:
            return outcomes
        if self.awaits(event):
            self._events[event.position] = event
            if len(self._events) > MOST_REMEMBERED:
                del self._events[next(iter(self._events))]
        return settled(self._evaluator, outcomes, self._answerer, self._events)

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


def _tree(nodes: list[Node], parts: dict[str, Part]) -> Part:
    for node in nodes:
        if node.parent is not None:
            parts[node.parent.key].parts.append(parts[node.key])
    return parts[nodes[0].key]


def _is_of(outcome: Outcome, event: Recorded) -> bool:
    """Tell whether the event itself brought something about, rather than what had waited."""
    return not isinstance(outcome, Asked) and outcome.event is event


def _conclusion(outcomes: list[Outcome], control: list[StagePart], tree: Part) -> tuple[bool, str]:
    """Return whether it fired, and on what; else the first reason why it did not."""
    firings = [each for each in outcomes if isinstance(each, Firing)]
    for firing in firings:
        if firing.branch is not Branch.THEN:
            return True, firing.reason.value
    for outcome in outcomes:
        if isinstance(outcome, Suppression):
            return False, outcome.reason.value
        if isinstance(outcome, Resolution):
            return False, Reason.RESOLVED.value
    held = (each.reason for each in control if each.verdict is Move.HOLD)
    return False, (next(held, None) or _first(tree)).value


def _first(part: Part) -> Reason:
    """Return the reason of the trigger that came closest, or of the first one that did not fire."""
    if not part.parts or part.verdict not in (Reason.NOT_OPEN, Reason.GATHERED):
        return part.verdict
    if any(each.fires for each in part.parts):
        return part.verdict
    reasons = [_first(each) for each in part.parts if not each.fires]
    return next((each for each in reasons if each is not Reason.NOT_EXPECTED), part.verdict)
