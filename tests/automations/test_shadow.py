"""A shadow decides exactly as the real automation would: it goes through the very same code."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.automations.making import event
from upshot.automations.definition import Automation
from upshot.automations.evaluation.evaluator import Evaluator
from upshot.automations.firing import Firing
from upshot.automations.outcomes import Outcome, Resolution, Suppression

SECOND = 1000
NOTIFY: list[dict[str, Any]] = [{"notify": {"to": "me", "title": "x"}}]
CONTROLS: list[dict[str, Any]] = [
    {},
    {"control": {"debounce": {"period": "3s", "key": "id"}}},
    {"control": {"batch": {"max_size": 3, "timeout": "5s"}}},
    {"control": {"throttle": {"limit": 1, "per": "4s", "excess": "queue"}}},
    {"conditions": ["event.payload.n > 1"]},
    {"budget": {"max": 2, "within": "10s", "then": NOTIFY}},
    {"resolve": {"expect": ["b.done"]}, "on_resolve": NOTIFY},
]
TRIGGER = {"expect": ["a.done"], "for_each": ["id"], "threshold": 2, "within": "5s"}
STEPS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 3), st.integers(0, 3)),
    max_size=30,
)


def rule(shadow: bool, **more: Any) -> Automation:
    written = {"name": "one", "shadow": shadow, "trigger": TRIGGER, "actions": NOTIFY, **more}
    return Automation.model_validate(written)


def decided(automation: Automation, steps: list[tuple[str, str, int, int]]) -> list[Outcome]:
    evaluator = Evaluator()
    evaluator.define(automation, 1, 0)
    found: list[Outcome] = []
    at = 0
    for sequence, (name, thing, n, later) in enumerate(steps):
        at += later * SECOND
        happened = event(f"{name}.done", at, sequence, resource={"id": thing}, payload={"n": n})
        found += evaluator.on_event(happened)
    return found + evaluator.advance(at + 60 * SECOND)


def what(outcome: Outcome) -> tuple[Any, ...]:
    if isinstance(outcome, Firing):
        return "fires", outcome.branch, outcome.id, outcome.reason, outcome.positions, outcome.at
    if isinstance(outcome, Suppression):
        return "suppressed", outcome.reason, outcome.bucket, outcome.at, outcome.told
    assert isinstance(outcome, Resolution)
    return "resolved", outcome.incident, outcome.at


@pytest.mark.parametrize("control", CONTROLS, ids=str)
@given(steps=STEPS)
@settings(max_examples=40, deadline=None)
def test_a_shadow_decides_as_the_real_one(
    control: dict[str, Any], steps: list[tuple[str, str, int, int]]
) -> None:
    real, shadow = (decided(rule(each, **control), steps) for each in (False, True))
    assert [what(each) for each in shadow] == [what(each) for each in real]
    assert {each.shadow for each in shadow if not hasattr(each, "questions")} <= {True}
    assert {each.shadow for each in real if not hasattr(each, "questions")} <= {False}
