"""Puts the conditions of an automation to a candidate that has come so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..conditions.condition import Answers, ConditionExpression, Judged, judge
from ..conditions.lookups import Question
from ..expressions.expression import Scope
from .candidate import Candidate

if TYPE_CHECKING:
    from upshot.events.event import Recorded

EVENT: Final = "event"
EVENTS: Final = "events"
OF_EVENTS: Final = frozenset({EVENT, EVENTS})
"""The functions of questions for the bodies of events; the arguments are their positions."""


def judged(
    conditions: Sequence[ConditionExpression],
    candidate: Candidate,
    automation: dict[str, Any],
    answers: Answers,
) -> Judged:
    """Tell whether the conditions hold for a candidate.

    Args:
        conditions: of the automation. candidate: the firing that is about to come about.
        automation: ``id name version``, as conditions see it. answers: what was answered so far.
    """
    seen = {**_events(candidate), "firing": _firing(candidate), "automation": automation}
    return judge(conditions, Scope(seen), answers)


def answered(question: Question, known: Mapping[str, Recorded]) -> Any:
    """Answer a question for events from those that are known, by position.

    Returns:
        For one its body, None where it is not known; for several the bodies of those that are.
    """
    bodies = [known[each].body for each in question.arguments if each in known]
    if question.function == EVENTS:
        return bodies
    return bodies[0] if bodies else None


def _events(candidate: Candidate) -> dict[str, Any]:
    """Return the events as conditions see them: those that are not at hand are asked for."""
    positions, event = candidate.positions, candidate.event
    if event is not None:
        several = len(positions) > 1
        every = Question(EVENTS, positions) if several else [event.body]
        return {"event": event.body, "events": every}
    if not positions:
        return {"event": None, "events": []}
    return {"event": Question(EVENT, positions[-1:]), "events": Question(EVENTS, positions)}


def _firing(candidate: Candidate) -> dict[str, Any]:
    return {
        "bucket": candidate.bucket,
        "labels": candidate.labels,
        "reason": candidate.reason.value,
        "positions": list(candidate.positions),
        "at": candidate.at,
        "value": candidate.value,
        "batch": candidate.count,
    }
