"""Tests beside a rule: events on a virtual clock, and the firings that were expected."""

from __future__ import annotations

from typing import Any

import pytest

from upshot.automations.definition import Automation
from upshot.automations.exceptions import InvalidDefinition
from upshot.automations.files.loading import loads
from upshot.automations.trying.rendering import Lookups
from upshot.automations.trying.testing import Ended, run

RULES = """
automations:
  - name: logins
    trigger: {expect: [login.failed], for_each: [id], threshold: 2, within: 10m}
    actions:
      - notify: {to: "{{ variables.team }}", title: "{{ event.resource.id }} failed"}
    tests:
      - name: it
        events:
          - {event: login.failed, resource: {id: ana}}
          - {at: +5m, event: login.failed, resource: {id: ana}}
        expect: EXPECT
"""
TEAM = Lookups({"team": "ops"})


def outcome_of(expect: str, lookups: Lookups = TEAM) -> Ended:
    (rule,) = loads(RULES.replace("EXPECT", expect)).automations
    (outcome,) = run(rule, lookups)
    return outcome


@pytest.mark.parametrize(
    "expect",
    [
        "[{}]",
        "[{at: +5m, reason: threshold_reached, bucket: {id: ana}, actions: [notify]}]",
        "[{actions: [notify: {title: ana failed, to: ops}]}]",
    ],
)
def test_what_is_expected_and_comes_passes(expect: str) -> None:
    assert outcome_of(expect).problems == ()


@pytest.mark.parametrize(
    ("expect", "problem"),
    [
        ("[]", "expected 0 firings, actual 1: at +5m (threshold_reached)"),
        ("[{}, {}]", "expected 2 firings, actual 1"),
        ("[{at: +6m}]", "firing 1: at: expected +6m, actual +5m"),
        ("[{reason: absent}]", "reason: expected absent, actual threshold_reached"),
        ("[{bucket: {id: bob}}]", "bucket: expected {'id': 'bob'}"),
        ("[{actions: []}]", "actions: expected none, actual notify"),
        ("[{actions: [notify: {title: bob}]}]", "notify.title: expected 'bob', actual 'ana failed"),
    ],
)
def test_what_comes_otherwise_fails_and_says_how(expect: str, problem: str) -> None:
    assert problem in "\n".join(outcome_of(expect).problems)


def test_an_action_that_can_not_be_filled_in_fails() -> None:
    assert "can't be filled in" in outcome_of("[{}]", Lookups()).problems[0]


def test_the_clock_goes_on_until_the_end_that_is_asked_for() -> None:
    text = """
automations:
  - name: beat
    trigger: {posture: Proactive, expect: [beat], after: [up], within: 10m}
    actions: [retry-flow-run: {flow_run: x}]
    tests:
      - name: silence
        events: [{event: up, resource: {id: a}}]
        until: +11m
        expect: [{at: +10m, reason: absent}]
      - name: in time
        events: [{event: up, resource: {id: a}}, {at: +9m, event: beat, resource: {id: a}}]
        until: +1h
      - name: at seven
        start: 2026-11-20T06:55:00Z
"""
    (rule,) = loads(text).automations
    assert [each.problems for each in run(rule)] == [(), (), ()]


def test_a_wrong_test_is_refused_with_its_place() -> None:
    wrong: dict[str, Any] = {"[{at: soon}]": "expect.0.at", "[{actions: [{a: {}, b: {}}]}]": "key"}
    for expect, place in wrong.items():
        with pytest.raises(InvalidDefinition, match=place):
            outcome_of(expect)


NOTIFY = {"notify": {"to": "ops", "title": "{{ firing.bucket }}"}}


def problems(case: dict[str, Any], **fields: Any) -> tuple[str, ...]:
    """How a test of an automation ends that fires on each ``tick``."""
    trigger = {"expect": "tick", "for_each": "id"}
    body = {"name": "it", "trigger": trigger, "actions": [NOTIFY], **fields}
    (outcome,) = run(Automation.model_validate({**body, "tests": [case]}))
    return outcome.problems


def test_what_control_holds_back_is_expected_like_firings() -> None:
    case = {
        "name": "one at a time",
        "takes": "10s",
        "events": [
            {"event": "tick", "resource": {"id": "thing.1"}, "at": f"+{second}s"}
            for second in (0, 5, 20)
        ],
        "expect": [{"at": "+0s", "branch": "actions"}, {"at": "+20s"}],
        "suppressed": [{"at": "+5s", "reason": "in_progress", "bucket": {"id": "thing.1"}}],
    }
    assert problems(case, control={"mode": "single"}) == ()
    wrong = {**case, "suppressed": [{"at": "+6s", "reason": "throttled", "bucket": {}}]}
    assert problems(wrong, control={"mode": "single"}) == (
        "suppressed 1: at: expected +6s, actual +5s",
        "suppressed 1: reason: expected throttled, actual in_progress",
        "suppressed 1: bucket: expected {}, actual {'id': 'thing.1'}",
    )
    none = {**case, "suppressed": []}
    assert problems(none, control={"mode": "single"}) == (
        "expected 0 suppressed, actual 1: at +5s (in_progress)",
    )
    left_out = {key: value for key, value in case.items() if key != "suppressed"}
    assert problems(left_out, control={"mode": "single"}) == ()
    assert "branch: expected then" in problems(
        {**case, "expect": [{"branch": "then"}, {}]}, control={"mode": "single"}
    )[0]  # fmt: skip
