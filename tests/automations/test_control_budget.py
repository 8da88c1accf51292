"""Budget, incidents and the loop guard: what bounds remediation, and tells people once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.automations.controlled import evaluating, play, rule, words
from tests.automations.making import ACTIONS, event, feed, firings, suppressions
from upshot.automations.outcomes import Resolution
from upshot.automations.triggers import Reason

THEN = [{"notify": {"to": "oncall", "title": "{{ firing.reason }}"}}]


@pytest.mark.parametrize(
    ("line", "budget", "came"),
    [
        ("A1 A2 A3 A4", {"max": 2, "within": 10}, "1 2 3!E 4!E"),
        ("A1 A2 A11 A12 A13", {"max": 2, "within": 10}, "1 2 11 12 13!E"),
        ("A1:x A2:y A3:x", {"max": 1, "within": 10, "per": "resource.id"}, "1 2 3!E"),
        ("A1 A2 A3", {"max": 1, "within": 10, "then": THEN}, "1 2!E 2>then 3!E"),
        ("A1 A2 A11 A12", {"max": 1, "within": 10, "then": THEN}, "1 2!E 2>then 11 12!E 12>then"),
        (
            "A1:x A1:y A2:x A2:y A3:x",
            {"max": 1, "within": 10, "per": "id", "then": THEN},
            "1 1 2!E 2>then 2!E 2>then 3!E",
        ),
    ],
    ids=str,
)
def test_what_is_used_up_is_told_once(line: str, budget: dict[str, Any], came: str) -> None:
    assert play(line, budget=budget) == came.replace("!E", "!budget_exhausted")


@given(
    steps=st.lists(st.integers(0, 3000), max_size=50),
    most=st.integers(1, 4),
    within=st.integers(1, 6000),
)
def test_no_span_sees_more_than_the_budget(steps: list[int], most: int, within: int) -> None:
    evaluator = evaluating(rule(budget={"max": most, "within": f"{within}ms"}))
    at, times = 1000, list[int]()
    for number, step in enumerate(steps):
        at += step
        allowed = len([each for each in times if each > at - within]) < most
        assert bool(firings(evaluator.on_event(event("a.done", at, number)))) is allowed
        times += [at] if allowed else []
    evaluator.advance(at + within)
    assert len(evaluator.windows) == 0


def test_the_firing_of_then_has_a_reason_and_an_id_of_its_own() -> None:
    evaluator = evaluating(rule(budget={"max": 1, "within": 60, "then": THEN}))
    outcomes = feed(evaluator, event("a.done", 1000), event("a.done", 2000))
    first, then = firings(outcomes)
    assert (then.reason, then.branch.value) == (Reason.EXHAUSTED, "then")
    assert then.summary()["branch"] == "then"
    assert first.id != then.id
    again = evaluating(rule(budget={"max": 1, "within": 60, "then": THEN}))
    assert firings(feed(again, event("a.done", 1000), event("a.done", 2000)))[1].id == then.id


RESOLVE: dict[str, Any] = {"resolve": {"expect": "b.done"}, "on_resolve": ACTIONS}
A = {"expect": "a.done", "for_each": "id"}


@pytest.mark.parametrize(
    ("line", "came"),
    [
        ("A1 A2 B3 B4", "1 2 3~resolved 3>on_resolve"),
        ("A1:x A2:y B3:x B4:x", "1 2 3~resolved 3>on_resolve"),
        ("B1 A2 B3 A4 B5", "2 3~resolved 3>on_resolve 4 5~resolved 5>on_resolve"),
    ],
)
def test_an_incident_lasts_from_its_first_firing_to_its_resolution(line: str, came: str) -> None:
    assert play(line, A, **RESOLVE) == came
    quietly = " ".join(word for word in came.split() if ">on_resolve" not in word)
    assert play(line, A, resolve=RESOLVE["resolve"]) == quietly


def test_firings_know_their_incident() -> None:
    evaluator = evaluating(rule(A, **RESOLVE))
    outcomes = feed(evaluator, *[event("a.done", s * 1000) for s in (1, 2)], event("b.done", 3000))
    told = [each.summary()["incident"] for each in firings(outcomes)]
    assert [each["status"] for each in told] == ["opened", "updated", "resolved"]
    assert [each["count"] for each in told] == [1, 2, 2]
    assert len({each["id"] for each in told}) == 1
    (resolution,) = [each for each in outcomes if isinstance(each, Resolution)]
    assert resolution.incident == told[-1]
    assert firings(outcomes)[-1].positions == ("1000-0", "3000-0")


def test_what_ends_an_incident_is_asked_for_as_in_triggers() -> None:
    resolve = {"expect": "b.*", "match": {"env": "prod"}, "where": "event.payload.ok"}
    line = "A1 B2(.env=prod,ok=false) B3(.env=dev,ok=true) B4(.env=prod,ok=true)"
    assert play(line, A, resolve=resolve) == "1 4~resolved"


def test_only_what_gets_through_opens_an_incident() -> None:
    budget = {"max": 1, "within": 60, "per": "id"}
    assert play("A1 B2 A3 B4", A, budget=budget, resolve=RESOLVE["resolve"]) == (
        "1 2~resolved 3!budget_exhausted"
    )


def test_an_incident_is_opened_by_a_compound_and_by_absence() -> None:
    both = {
        "type": "compound", "require": "all", "within": 60, "for_each": "id",
        "triggers": [{"expect": "a.done", "for_each": "id"}, {"expect": "c.done"}],
    }  # fmt: skip
    assert play("A1:x C2:x C3:y B4:y B5:x", both, resolve={"expect": "b.done"}) == "2 5~resolved"
    absent = {**A, "after": "c.done", "posture": "Proactive", "within": 5}
    assert play("C1:x |20 B21:x", absent, resolve={"expect": "b.done"}) == "6 21~resolved"


def test_its_own_cure_ends_an_incident() -> None:
    automation = rule(A, **RESOLVE)
    evaluator = evaluating(automation)
    feed(evaluator, event("a.done", 1000))
    way = {"depth": 1, "chain": ["e"], "automations": {automation.id: 1}}
    assert words(feed(evaluator, event("b.done", 2000, causation=way))) == (
        "2~resolved 2>on_resolve"
    )


@pytest.mark.parametrize(
    ("passed", "max_depth", "fires"), [(0, 1, True), (1, 1, False), (1, 2, True), (2, 2, False)]
)
def test_an_automation_may_be_passed_so_often(passed: int, max_depth: int, fires: bool) -> None:
    automation = rule(control={"max_depth": max_depth})
    way = {"depth": passed, "automations": {automation.id: passed} if passed else {}}
    outcomes = feed(evaluating(automation), event("a.done", 1000, causation=way))
    assert bool(firings(outcomes)) is fires
    assert bool(suppressions(outcomes)) is not fires


@pytest.mark.parametrize(("depth", "came"), [(31, "1"), (32, "1!loop")])
def test_no_chain_goes_on_for_ever(depth: int, came: str) -> None:
    evaluator = evaluating(rule(control={"max_depth": 9}))
    assert words(feed(evaluator, event("a.done", 1000, causation={"depth": depth}))) == came


def test_a_storm_of_suppressions_is_counted_whole_and_told_once_a_minute() -> None:
    evaluator = evaluating(rule(budget={"max": 1, "within": "1h", "per": "id"}))
    seconds = [0, 1, 2, 3, 60, 61, 62, 130]
    outcomes = feed(evaluator, *[event("a.done", 1000 * s + 1000) for s in seconds])
    assert [each.told for each in suppressions(outcomes)] == [1, 0, 0, 0, 4, 0, 2]
    other = feed(evaluator, *[event("a.done", 131_000, n, resource={"id": "y"}) for n in (0, 1)])
    assert [each.told for each in suppressions(other)] == [1]
    assert evaluator.stats.suppressions == 8


def test_what_automations_tell_of_themselves_is_not_told_of_again() -> None:
    evaluator = evaluating(rule({"expect": "action.*"}, control={"debounce": {"period": 5}}))
    outcomes = feed(evaluator, *[event("action.failed", s * 1000) for s in (1, 2)])
    assert [each.told for each in suppressions(outcomes)] == [0]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"on_resolve": ACTIONS}, "'on_resolve' needs a 'resolve'"),
        ({"resolve": {}}, "an empty 'expect' needs a 'match'"),
        ({"resolve": {"expect": "a.b", "threshold": 2}}, "Extra inputs"),
        ({"budget": {"max": 0, "within": 1}}, "greater than or equal to 1"),
        ({"budget": {"max": 1, "within": 0}}, "longer than 0"),
        ({"budget": {"max": 1}}, "Field required"),
        ({"control": {"max_depth": 0}}, "greater than or equal to 1"),
        ({"control": {"key": "id"}}, "'key' needs a 'mode'"),
    ],
    ids=str,
)
def test_a_wrong_one_is_refused(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        rule(**fields)
