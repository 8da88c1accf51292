"""Plays automations with control over events written in a line, as ``playing`` does triggers.

What comes out is one word each, in order: ``5`` fired at second 5, ``5x3`` for three firings of the
trigger, ``5>then`` on another branch, ``5!throttled`` held back, ``5~resolved`` an incident's end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.automations.making import ACTIONS
from tests.automations.playing import run
from upshot.automations.definition import Automation, Branch
from upshot.automations.evaluation.evaluator import Evaluator
from upshot.automations.firing import Firing
from upshot.automations.outcomes import Outcome, Resolution, Suppression

EACH = {"expect": "*.done"}


def rule(trigger: dict[str, Any] | None = None, **fields: Any) -> Automation:
    """An automation that fires on each ``*.done``, with control."""
    body = {"name": "one", "trigger": trigger or EACH, "actions": ACTIONS, **fields}
    return Automation.model_validate(body)


def evaluating(automation: Automation, **options: Any) -> Evaluator:
    evaluator = Evaluator(**options)
    evaluator.define(automation, 1, 0)
    return evaluator


def play(line: str, trigger: dict[str, Any] | None = None, /, takes: int = 0, **fields: Any) -> str:
    """Return what comes of events; firings are taken to be in progress for ``takes`` seconds."""
    acts_since = 1 << 62 if takes else 0
    evaluator = evaluating(rule(trigger, **fields), acts_since=acts_since, takes=1000 * takes)
    return words(run(evaluator, line))


def words(outcomes: Iterable[Outcome]) -> str:
    return " ".join(map(_word, outcomes))


def _word(outcome: Outcome) -> str:
    if isinstance(outcome, Firing):
        branch = "" if outcome.branch is Branch.ACTIONS else f">{outcome.branch.value}"
        times = f"x{outcome.batch}" if outcome.batch > 1 else ""
        return f"{outcome.at / 1000:g}{times}{branch}"
    if isinstance(outcome, Suppression):
        return f"{outcome.at / 1000:g}!{outcome.reason.value}"
    if isinstance(outcome, Resolution):
        return f"{outcome.at / 1000:g}~resolved"
    return "?" + ",".join(str(each.function) for each in outcome.questions)
