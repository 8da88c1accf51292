"""Explanations as people see them: the reason first, then what was expected and what there was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.automations.making import event
from upshot.automations.definition import Automation
from upshot.automations.trying.explanation import Explainer
from upshot.services.cli import times
from upshot.services.cli.explained import tree
from upshot.services.cli.printing import console

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
FAILED = {"expect": ["login.failed"], "for_each": ["id"], "threshold": 3, "within": "5m"}


def made(rule: dict[str, Any]) -> Automation:
    """Return the automation of a trigger, or of the fields of one."""
    whole = rule if "trigger" in rule else {"trigger": rule}
    actions = [{"notify": {"to": "me", "title": "x"}}]
    return Automation.model_validate({"name": "one", "actions": actions, **whole})


def explained(rule: dict[str, Any], *steps: tuple[str, int, Mapping[str, Any]]) -> dict[str, Any]:
    explainer = Explainer(made(rule), 0)
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
    assert lines[:2] == ["✓ one fires: threshold_reached", "  3 of 3"]
    assert "for id=thing.1" in lines[3]


def test_what_an_evaluation_stumbled_over_is_told(shown: Any) -> None:
    found = explained({"expect": ["a.b"]}, ("a.b", 1, {}))
    tree = {**found["tree"], "verdict": "error", "detail": "KeyError('x')"}
    lines = shown({**found, "fired": False, "reason": "error", "tree": tree})
    assert lines[:2] == ["✗ one does not fire: error", "  KeyError('x')"]


def test_the_end_of_an_incident_is_told(shown: Any) -> None:
    rule = {"trigger": {"expect": ["a.b"]}, "resolve": {"expect": ["c.d"]}}
    lines = shown(explained(rule, ("a.b", 1, {}), ("c.d", 2, {})))
    assert lines[:2] == ["✗ one does not fire: resolved", "  this event says that it is over"]


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


def test_what_is_there_already_is_marked_while_it_waits_for_nothing_else(shown: Any) -> None:
    parts = [{"expect": "a.b"}, {"expect": "c.d"}, {"not": {"expect": "e.f"}}]
    rule = {"type": "compound", "within": "10m", "triggers": parts}
    lines = shown(explained(rule, ("a.b", 1, {}), ("c.d", 2, {})))
    assert lines[1] == f"  all is there; until {clock(11)} nothing forbidden may come"
    assert "    ├── ✓ a.b" in lines
    assert lines[-1] == "    └── · not e.f"


def test_what_came_although_it_must_not_is_marked(shown: Any) -> None:
    parts = [{"expect": "a.b"}, {"not": {"expect": "e.f"}}]
    rule = {"type": "compound", "within": "10m", "triggers": parts}
    lines = shown(explained(rule, ("e.f", 1, {}), ("a.b", 2, {})))
    assert lines[0].endswith("a_trigger_that_must_not_fire_did")
    assert f"✗ not e.f  fired at {clock(1)}" in lines[-1]


def test_each_stage_of_control_has_its_line(shown: Any) -> None:
    rule = {
        "trigger": {"expect": ["a.b"]},
        "conditions": ["event.payload.n < 9"],
        "control": {"throttle": {"limit": 5, "per": "1h"}, "mode": "parallel"},
        "budget": {"max": 2, "within": "1d"},
    }
    steps = [("a.b", at, {"payload": {"n": at}}) for at in (1, 2, 3)]
    lines = shown(explained(rule, *steps[:2]))
    assert lines[0] == "✓ one fires: threshold_reached"
    lines = shown(explained({**rule, "control": {}}, *steps))
    assert lines[0] == "✗ one does not fire: budget_exhausted"
    assert lines[1].startswith(f"  budget: 2 in 1d, 2 used, free at {times.local(DAY + MINUTE)}")
    at = lines.index("└── control")
    assert lines[at + 1 : at + 4] == [
        "    ├── ✓ conditions",
        "    │   └── ✓ event.payload.n < 9",
        "    │         event.payload.n is 3",
    ]
    assert lines[at + 4].startswith("    └── ✗ budget  budget_exhausted  2 in 1d, 2 used, free at ")


def test_a_condition_that_does_not_hold_is_the_reason(shown: Any) -> None:
    rule = {"trigger": {"expect": ["a.b"]}, "conditions": ["event.payload.n < 9"]}
    lines = shown(explained(rule, ("a.b", 1, {"payload": {"n": 10}})))
    assert lines[:2] == [
        "✗ one does not fire: condition_false",
        "  conditions: event.payload.n < 9: event.payload.n is 10",
    ]


def test_a_truth_value_is_told_as_expressions_write_it(shown: Any) -> None:
    rule = {"trigger": {"expect": ["a.b"]}, "conditions": ["event.payload.open"]}
    lines = shown(explained(rule, ("a.b", 1, {"payload": {"open": False}})))
    assert lines[1] == "  conditions: event.payload.open: event.payload.open is false"


def test_every_stage_can_be_shown(shown: Any) -> None:
    rule = {
        "trigger": {"expect": ["a.b"]},
        "control": {
            "debounce": {"period": "1m"},
            "batch": {"max_size": 3, "timeout": "1h"},
            "throttle": {"limit": 1, "per": "1h"},
            "mode": "single",
        },
        "resolve": {"expect": ["c.d"]},
    }
    lines = shown(explained(rule, ("a.b", 1, {})))
    assert lines[0] == "✗ one does not fire: waiting_for_quiet"
    assert lines[1] == f"  debounce: 1m, goes on at {clock(2)}"
    told = [line.split()[2] for line in lines[lines.index("└── control") + 1 :]]
    assert lines[-4].endswith("batch  up to 3, 1h")
    assert told == ["debounce", "batch", "throttle", "mode", "incident"]


def test_an_open_incident_is_told(shown: Any) -> None:
    rule = {"trigger": {"expect": ["a.b"]}, "resolve": {"expect": ["c.d"]}}
    lines = shown(explained(rule, ("a.b", 1, {}), ("a.b", 2, {})))
    assert lines[-1] == f"    └── ✓ incident  open since {clock(1)}, 2 firings"


def test_what_comes_from_outside_can_not_reach_the_terminal(shown: Any) -> None:
    evil = {"resource": {"id": "\x1b[2Jx", "env": "\x1b]0;y\x07"}}
    lines = shown(explained({"expect": ["a.b"], "match": {"env": "p"}}, ("a.b", 1, evil)))
    assert not any("\x1b" in line or "\x07" in line for line in lines)


def test_an_open_window_tells_when_it_was_opened_and_ends(shown: Any) -> None:
    rule = {"posture": "Proactive", "after": "a.b", "expect": "c.d", "within": "5m"}
    lines = shown(explained(rule, ("a.b", 1, {})))
    assert lines[1] == f"  this event opens its window, which ends {clock(6)}"
    lines = shown(explained(rule, ("a.b", 1, {}), ("e.f", 2, {})))
    assert lines[-1] == f"    └── ✓ after: a.b  opened its window at {clock(1)}"


def test_a_schedule_tells_its_next_time(shown: Any) -> None:
    lines = shown(explained({"type": "schedule", "cron": "0 7 * * *"}, ("a.b", 1, {})))
    assert lines[1] == "  no event sets it off: its times do"
    assert lines[-1].endswith(f"time: 0 7 * * *, next at {clock(7 * 60)}")


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
