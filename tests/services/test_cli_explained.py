"""Explanations as people see them: the reason first, then what was expected and what there was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.automations.making import automation, event
from upshot.automations.explanation import Explainer
from upshot.services.cli import times
from upshot.services.cli.explained import tree
from upshot.services.cli.printing import console

MINUTE = 60_000
FAILED = {"expect": ["login.failed"], "for_each": ["id"], "threshold": 3, "within": "5m"}


def explained(rule: dict[str, Any], *steps: tuple[str, int, Mapping[str, Any]]) -> dict[str, Any]:
    explainer = Explainer(automation(**rule), 0)
    events = [event(name, at * MINUTE, **more) for name, at, more in steps]
    for each in events[:-1]:
        explainer.follow(each)
    return explainer.explain(events[-1]).to_dict()


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Any:
    def show(found: dict[str, Any]) -> list[str]:
        console().print(tree(found))
        return capsys.readouterr().out.splitlines()

    return show


def clock(minute: int) -> str:
    return times.local(minute * MINUTE).partition(" ")[2]


def test_the_count_and_the_end_of_its_window_come_first(shown: Any) -> None:
    first, reason, about, *rest = shown(
        explained(FAILED, ("login.failed", 1, {}), ("login.failed", 2, {}))
    )
    assert first == "✗ one does not fire: counted"
    assert reason == f"  2 of 3, and the window ends {clock(6)}"
    assert about.startswith("  login.failed thing.1, ")
    assert f"✗ 2 of 3, window ends {clock(6)}" in rest[-1]


def test_a_firing_is_told_as_one(shown: Any) -> None:
    lines = shown(explained(FAILED, *(("login.failed", at, {}) for at in (1, 2, 3))))
    assert lines[0] == "✓ one fires: threshold_reached"
    assert "for id=thing.1" in lines[2]


def test_what_an_expression_saw_is_told_with_it(shown: Any) -> None:
    rule = {"expect": ["a.b"], "where": "event.payload.n < 3 && event.payload.m != 'x'"}
    lines = shown(explained(rule, ("a.b", 1, {"payload": {"n": 5}})))
    assert "event.payload.n is 5, event.payload.m is missing" in lines[1]
    assert any(line.endswith("is false") for line in lines)
    assert any(line.endswith("event.payload.m is missing") for line in lines[2:])


def test_parts_that_an_event_is_nothing_to_take_one_line_each(shown: Any) -> None:
    parts = [
        {"expect": "a.b"},
        {"expect": "c.d", "match": {"env": "p"}},
        {"not": {"expect": "e.f"}},
    ]
    rule = {"type": "compound", "within": "10m", "triggers": parts}
    lines = shown(explained(rule, ("a.b", 1, {}), ("c.d", 2, {"resource": {"env": "q"}})))
    assert lines[1] == "  match env: expected p, actual q"
    assert f"    ├── ✓ a.b  fired at {clock(1)}" in lines
    assert lines[-1] == "    └── · not e.f"
    assert sum("expect:" in line for line in lines) == 1


def test_what_came_although_it_must_not_is_marked(shown: Any) -> None:
    parts = [{"expect": "a.b"}, {"not": {"expect": "e.f"}}]
    rule = {"type": "compound", "within": "10m", "triggers": parts}
    lines = shown(explained(rule, ("e.f", 1, {}), ("a.b", 2, {})))
    assert lines[0].endswith("a_trigger_that_must_not_fire_did")
    assert f"✗ not e.f  fired at {clock(1)}" in lines[-1]


def test_each_stage_of_control_has_its_line(shown: Any) -> None:
    found = explained({"expect": ["a.b"]}, ("a.b", 1, {}))
    stages = [
        {"name": "throttle", "verdict": "pass", "reason": "passed", "detail": "1 of 5 in 1h"},
        {
            "name": "budget",
            "verdict": "drop",
            "reason": "budget_exhausted",
            "detail": "3 of 3 in 1d",
        },
    ]
    lines = shown({**found, "fired": False, "reason": "budget_exhausted", "control": stages})
    assert lines[0] == "✗ one does not fire: budget_exhausted"
    assert lines[1] == "  3 of 3 in 1d"
    assert lines[-2:] == [
        "├── ✓ throttle  1 of 5 in 1h",
        "└── ✗ budget  budget_exhausted  3 of 3 in 1d",
    ]


def test_what_comes_from_outside_can_not_reach_the_terminal(shown: Any) -> None:
    evil = {"resource": {"id": "\x1b[2Jx", "env": "\x1b]0;y\x07"}}
    lines = shown(explained({"expect": ["a.b"], "match": {"env": "p"}}, ("a.b", 1, evil)))
    assert not any("\x1b" in line or "\x07" in line for line in lines)


@pytest.mark.parametrize(
    "rule",
    [
        {"type": "metric", "metric": "failure_count", "operator": ">", "threshold": 2},
        {"type": "deadline", "flow": "etl", "within": "1h"},
        {"type": "freshness", "asset": "orders", "within": "1h"},
        {"type": "schedule", "cron": "0 7 * * *"},
        {"type": "sequence", "within": "1h", "triggers": [{"expect": "a.b"}, {"expect": "c.d"}]},
    ],
    ids=lambda rule: rule["type"],
)
def test_every_kind_can_be_shown(shown: Any, rule: dict[str, Any]) -> None:
    lines = shown(explained(rule, ("flow-run.failed", 1, {})))
    assert len(lines) >= 4
    assert "does not fire" in lines[0]
