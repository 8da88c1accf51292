"""Explanations of control: what each stage did with a firing, and the first that held it back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.automations.controlled import rule
from tests.automations.making import ACTIONS, event
from upshot.automations.trying.explanation import Explainer, Explanation

THROTTLE = {"throttle": {"limit": 1, "per": "1m"}}


def explained(seconds: list[int], /, **fields: Any) -> Explanation:
    """Explain the last one of several events."""
    automation = rule({"expect": "a.done"}, **fields)
    explainer = Explainer(automation, 0)
    *past, last = [event("a.done", 1000 * second) for second in seconds]
    explainer.follow_all(past)
    return explainer.explain(last)


def verdicts(explanation: Explanation) -> list[tuple[str, str | None, str | None]]:
    parts = explanation.to_dict()["control"]
    return [(each["stage"], each["verdict"], each["reason"]) for each in parts]


def test_an_automation_without_control_has_no_stages() -> None:
    assert verdicts(explained([1])) == []


def test_each_stage_says_what_it_did() -> None:
    found = explained(
        [1],
        control={**THROTTLE, "mode": "single"},
        conditions=["event.event == 'a.done'"],
        budget={"max": 2, "within": 60},
        resolve={"expect": "b.done"},
    )
    assert (found.fired, found.reason) == (True, "threshold_reached")
    assert verdicts(found) == [
        ("conditions", "pass", "passed"),
        ("throttle", "pass", "passed"),
        ("mode", "pass", "passed"),
        ("budget", "pass", "passed"),
        ("incident", "pass", "incident_opened"),
    ]


@pytest.mark.parametrize(
    ("fields", "stage", "verdict", "reason"),
    [
        ({"control": {"debounce": {"period": 9}}}, "debounce", "hold", "waiting_for_quiet"),
        ({"control": {"batch": {"max_size": 9, "timeout": 9}}}, "batch", "hold",
         "collecting_a_batch"),
        ({"conditions": ["event.resource.id == 'no'"]}, "conditions", "drop", "condition_false"),
        ({"conditions": ["event.payload.no == 1"]}, "conditions", "drop", "condition_error"),
        ({"control": THROTTLE}, "throttle", "drop", "throttled"),
        ({"control": {"mode": "single"}}, "mode", "drop", "in_progress"),
        ({"control": {"mode": "queued"}}, "mode", "hold", "waiting_for_its_turn"),
        ({"budget": {"max": 1, "within": 60}}, "budget", "drop", "budget_exhausted"),
        ({"budget": {"max": 1, "within": 60, "then": ACTIONS}}, "budget", "drop",
         "budget_exhausted"),
    ],
)  # fmt: skip
def test_the_first_stage_that_held_it_back_is_the_reason(
    fields: dict[str, Any], stage: str, verdict: str, reason: str
) -> None:
    found = explained([1, 2], **fields)
    assert (found.fired, found.reason) == (False, reason)
    assert verdicts(found) == [(stage, verdict, reason)]


def test_stages_that_nothing_came_to_show_how_they_stand() -> None:
    budget = {"max": 3, "within": 60}
    found = explained([1, 2], control={**THROTTLE, "mode": "parallel"}, budget=budget)
    throttle, mode, spent = found.to_dict()["control"]
    assert throttle["checks"][0]["actual"] == "0 left"
    assert throttle["checks"][1] == {
        "what": "free at", "expected": None, "actual": 61_000, "met": None
    }  # fmt: skip
    assert (mode["verdict"], mode["state"]["count"]) == (None, 1)
    assert (spent["verdict"], spent["checks"][0]["actual"]) == (None, "1 used")


def test_a_quiet_trigger_leaves_control_as_it_stands() -> None:
    automation = rule({"expect": "a.done"}, control=THROTTLE)
    found = Explainer(automation, 0).explain(event("b.done", 1000))
    assert (found.fired, found.reason) == (False, "event_not_expected")
    assert verdicts(found) == [("throttle", None, None)]


def test_the_way_to_an_event_is_explained() -> None:
    automation = rule(control={"max_depth": 2})
    way = {"depth": 2, "automations": {automation.id: 2}}
    found = Explainer(automation, 0).explain(event("a.done", 1000, causation=way))
    assert found.reason == "loop"
    (guard,) = found.to_dict()["control"]
    assert guard["checks"][0] == {
        "what": "max_depth", "expected": 2, "actual": 2, "met": False
    }  # fmt: skip


def test_the_end_of_an_incident_is_explained() -> None:
    fields: dict[str, Any] = {"resolve": {"expect": "b.done"}}
    for on_resolve, fired in (([], False), (ACTIONS, True)):
        automation = rule({"expect": "a.done"}, **fields, on_resolve=on_resolve)
        explainer = Explainer(automation, 0)
        explainer.follow(event("a.done", 1000))
        found = explainer.explain(event("b.done", 2000))
        assert (found.fired, found.reason) == (fired, "resolved")


def test_what_waited_before_is_not_what_is_explained() -> None:
    found = explained([1, 20], control={"debounce": {"period": 9}})
    assert (found.fired, found.reason) == (False, "waiting_for_quiet")


def test_an_event_that_ends_what_is_held_says_so() -> None:
    held = rule({"expect": "a.done"}, control={"debounce": {"period": 9}},
                resolve={"expect": "b.done"})  # fmt: skip
    explainer = Explainer(held, 0)
    explainer.follow(event("a.done", 1000))
    found = explainer.explain(event("b.done", 2000))
    assert (found.fired, found.reason) == (False, "resolved")
    assert explainer.explain(event("b.done", 3000)).reason == "event_not_expected"
