"""Goes on with conditions that ask, by whoever answers, until nothing is asked any more."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ..conditions.condition import Answers
from ..conditions.lookups import Question, Unanswerable
from ..control.judging import OF_EVENTS, answered
from ..outcomes import Asked, Outcome

if TYPE_CHECKING:
    from upshot.events.event import Recorded

    from ..definition import Automation
    from .evaluator import Evaluator

Answerer: TypeAlias = Callable[[Sequence[Question], int], Answers]
"""Answers look-ups, which are asked at a millisecond of the log."""


def settled(
    evaluator: Evaluator,
    outcomes: Iterable[Outcome],
    answerer: Answerer,
    events: Mapping[str, Recorded],
) -> list[Outcome]:
    """Return outcomes, and in the place of each that asks what follows.

    Args:
        evaluator: whose they are.
        answerer: answers what conditions look up. events: those that are known, by position.
    """
    left, final = deque(outcomes), list[Outcome]()
    while left:
        outcome = left.popleft()
        if not isinstance(outcome, Asked):
            final.append(outcome)
            continue
        asked = [each for each in outcome.questions if each.function not in OF_EVENTS]
        found = dict(answerer(asked, outcome.candidate.at)) if asked else {}
        for each in outcome.questions:
            found.setdefault(each, answered(each, events))
        left.extendleft(reversed(evaluator.proceed(outcome, found)))
    return final


def looks_up(automation: Automation) -> bool:
    """Tell whether its conditions look anything up."""
    return any(each.calls for each in automation.conditions)


def nothing(questions: Sequence[Question], at: int) -> Answers:
    """Answer that nothing can be looked up."""
    return {each: Unanswerable(f"{each} can't be looked up here") for each in questions}


class Remembered:
    """Answers each question once, by another answerer, and from then on the same.

    Args:
        answerer: asked for what is not known yet.
    """

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer
        self._known: dict[Question, Any] = {}

    def __call__(self, questions: Sequence[Question], at: int) -> Answers:
        new = [each for each in questions if each not in self._known]
        if new:
            self._known.update(self._answerer(new, at))
        return {each: self._known[each] for each in questions}
