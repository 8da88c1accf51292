"""Conditions: what must hold when an automation is about to fire, with look-ups answered from outside.

expressions + scope + the answers so far → Judged: whether they hold, with which values, what is missing
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .exceptions import ExpressionFailed
from .expressions import Expression, Scope


@dataclass(slots=True, frozen=True)
class Question:
    """A look-up that a condition asks for.

    Attributes:
        function: its name. arguments: what is asked, in order.
    """

    function: str
    arguments: tuple[Any, ...] = ()


Answers = Mapping[Question, Any]
"""What look-ups found."""


@dataclass(slots=True, frozen=True)
class Judged:
    """How conditions came out.

    Attributes:
        holds: whether all of them hold; None where one failed or an answer is missing.
        values: each condition that was come to: ``expression``, ``holds`` and ``lookups``.
        missing: what has to be answered first.
        error: why one could not be evaluated, for people; empty where all could.
    """

    holds: bool | None
    values: list[dict[str, Any]]
    missing: tuple[Question, ...] = ()
    error: str = ""


class ConditionExpression(Expression):
    """A condition of an automation: it sees the event and the firing that it is about."""

    __slots__ = ()
    variables = frozenset({"event", "events", "firing", "automation"})


def judge(expressions: Sequence[ConditionExpression], scope: Scope, answers: Answers) -> Judged:
    """Tell whether all conditions hold; the first one that doesn't ends it.

    Args:
        expressions: the conditions, in order. scope: what they see.
        answers: what their look-ups found so far.
    """
    values: list[dict[str, Any]] = []
    for expression in expressions:
        try:
            holds = expression.holds(scope)
        except ExpressionFailed as error:
            values.append({"expression": expression.source, "holds": None, "lookups": []})
            return Judged(None, values, error=f"{expression.source}: {error}")
        values.append({"expression": expression.source, "holds": holds, "lookups": []})
        if not holds:
            return Judged(False, values)
    return Judged(True, values)
