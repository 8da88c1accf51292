"""Decides whether a task runs, from how what it waited for has ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from ..exceptions import NotTriggered, UpstreamFailed
from ..states import State


class Outcome(StrEnum):
    """How something upstream ended, as far as rules are concerned."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Upstream:
    """Something that a task waited for.

    Attributes:
        allowed: its failure was allowed, so that it counts as a success.
    """

    name: str
    state: State
    allowed: bool = False


def outcome_of(state: State) -> Outcome:
    """Return how a run ended: one that its own rule kept from running was skipped."""
    if state.completed:
        return Outcome.SUCCEEDED
    return Outcome.SKIPPED if isinstance(state.data, NotTriggered) else Outcome.FAILED


def judge(rule: str, upstream: Sequence[Upstream]) -> UpstreamFailed | None:
    """Return why a task with this rule is not run, or None when it is.

    A task that needs one that failed is not run because of that failure; one whose rule is simply
    not met is skipped, and so is what needs it.
    """
    outcomes = [Outcome.SUCCEEDED if each.allowed else outcome_of(each.state) for each in upstream]
    if not outcomes or _RULES[rule](outcomes):
        return None
    if rule not in _NEED_SUCCESS or Outcome.FAILED not in outcomes:
        seen = ", ".join(f"{each.name} is {each.state.name}" for each in upstream[:5])
        return NotTriggered(f"not run: its trigger rule {rule} is not met: {seen}")
    first = upstream[outcomes.index(Outcome.FAILED)]
    reason = UpstreamFailed(f"not run: task {first.name}, which it needs, is {first.state.name}")
    reason.__cause__ = first.state.data if isinstance(first.state.data, BaseException) else None
    return reason


def _all_success(outcomes: list[Outcome]) -> bool:
    return all(outcome is Outcome.SUCCEEDED for outcome in outcomes)


_RULES: Final[dict[str, Any]] = {
    "all_success": _all_success,
    "all_done": lambda outcomes: True,
    "one_success": lambda outcomes: Outcome.SUCCEEDED in outcomes,
    "one_failed": lambda outcomes: Outcome.FAILED in outcomes,
    "none_failed": lambda outcomes: Outcome.FAILED not in outcomes,
    "always": lambda outcomes: True,
}
_NEED_SUCCESS: Final = frozenset({"all_success", "one_success", "none_failed"})

ALL_SUCCESS: Final = "all_success"
ALWAYS: Final = "always"
RULES: Final = tuple(_RULES)
"""The names of the rules."""
