"""Conditions in tests and backtests: what they look up is what is given, or what there is now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.automations.making import event
from upshot.automations.conditions.condition import Answers
from upshot.automations.conditions.lookups import Question
from upshot.automations.definition import Automation
from upshot.automations.evaluation.answering import Remembered, nothing
from upshot.automations.trying.backtest import Backtest
from upshot.automations.trying.testing import run

RUNNING = "runs('deployment:etl/nightly', state='Running') == 0"
BUSY = {"runs": [{"deployment": "etl/nightly", "state": "Retrying"}]}


def automation(*conditions: str, **more: Any) -> Automation:
    return Automation.model_validate(
        {
            "name": "one",
            "trigger": {"expect": ["a"]},
            "conditions": list(conditions),
            "actions": [{"notify": {"to": "x", "title": "{{ variables }}"}}],
            **more,
        }
    )


def problems(*conditions: str, expect: int = 1, given: dict[str, Any] | None = None) -> list[str]:
    case: dict[str, Any] = {
        "name": "t",
        "events": [{"at": "1h", "event": "a", "resource": {"id": "x"}, "payload": {"n": 4}}],
        "expect": [{}] * expect,
        "given": given or {},
    }
    (ended,) = run(automation(*conditions, tests=[case]))
    return list(ended.problems)


@pytest.mark.parametrize(
    ("condition", "given", "fires"),
    [
        (RUNNING, {}, 1),
        (RUNNING, BUSY, 0),
        ("runs('flow:etl') == 1", BUSY, 1),
        ("runs('flow:other') == 1", BUSY, 0),
        ("runs('*', state='Retrying') == 1", BUSY, 1),
        ("runs('*', state=['Running', 'Retrying']) == 1", BUSY, 1),
        ("runs('*', state='Late') == 0", BUSY, 1),
        ("runs('*', since='30m') == 0", BUSY, 1),
        ("runs('*', since='2h') == 1", BUSY, 1),
        ("runs('*') == 0", {"runs": [{"flow": "etl", "at": "+2h"}]}, 1),
        ("variable('limit') > event.payload.n", {"variables": {"limit": 5}}, 1),
        ("variable('limit', default=1) > event.payload.n", {}, 0),
        ("automation('two').enabled", {"automations": {"two": {}}}, 1),
        ("automation('two').paused", {"automations": {"two": {}}}, 0),
        (
            "firing.at - automation('two').last_fired == 3600000",
            {"automations": {"two": {"last_fired": "2026-01-01T00:00:00Z", "firings": 2}}},
            1,
        ),
    ],
)
def test_a_test_says_what_conditions_find(condition: str, given: Any, fires: int) -> None:
    assert problems(condition, expect=fires, given=given) == []


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ("variable('limit') > 3", "no variable is called 'limit'.*given.variables"),
        ("automation('two').enabled", "no automation is called 'two'.*given.automations"),
    ],
)
def test_a_test_that_gives_nothing_is_told_what_it_lacks(condition: str, problem: str) -> None:
    (told,) = problems(condition, expect=0)
    assert told.startswith(f"condition: {condition}: ")
    assert problem.split(".*")[0] in told
    assert problem.split(".*")[1] in told


def test_templates_see_the_variables_that_a_test_gives() -> None:
    case = {
        "name": "t",
        "given": {"variables": {"env": "prod"}},
        "events": [{"event": "a", "resource": {"id": "x"}}],
        "expect": [{"actions": [{"notify": {"title": "{'env': 'prod'}"}}]}],
    }
    (ended,) = run(automation(tests=[case]))
    assert ended.problems == ()


class Counted:
    """Answers everything with 0 and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Question] = []

    def __call__(self, questions: Sequence[Question], at: int) -> Answers:
        self.asked += questions
        return dict.fromkeys(questions, 0)


def test_a_backtest_asks_each_thing_once() -> None:
    counted = Counted()
    test = Backtest(automation(RUNNING), 0, answerer=Remembered(counted))
    test.feed([event("a", at) for at in range(100, 110)])
    assert test.finish(200).counts["firings"] == 10
    assert len(counted.asked) == 1


def test_a_backtest_that_can_look_up_nothing_says_so() -> None:
    test = Backtest(automation(RUNNING), 0, answerer=nothing)
    test.feed([event("a", 100)])
    result = test.finish(200)
    assert (result.counts["firings"], result.counts["condition_error"]) == (0, 1)
    assert "can't be looked up" in result.suppressed[0]["message"]


def test_a_backtest_gives_conditions_the_events_that_are_not_at_hand() -> None:
    counting = {"expect": ["a"], "threshold": 3, "within": "1h"}
    test = Backtest(
        automation("events.size() == 3 && event.id == events[2].id", trigger=counting), 0
    )
    test.feed([event("a", at) for at in (100, 101, 102)])
    assert test.finish(200).counts["firings"] == 1
