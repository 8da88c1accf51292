"""Tests beside a rule: events on a virtual clock, and the firings that were expected."""

from __future__ import annotations

from typing import Any

import pytest

from upshot.automations.exceptions import InvalidDefinition
from upshot.automations.loading import loads
from upshot.automations.rendering import Lookups
from upshot.automations.testing import Ended, run

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
