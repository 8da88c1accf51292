"""Explanations: why an automation fired on an event, or the first reason why it did not."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.automations.making import automation, event, feed, firings
from upshot.automations.definition import Automation
from upshot.automations.evaluation.evaluator import Evaluator
from upshot.automations.trying.explanation import Explainer, Explanation
from upshot.events.event import Recorded

MINUTE = 60_000


def explained(rule: Automation, *events: Recorded) -> Explanation:
    explainer = Explainer(rule, 0)
    for each in events[:-1]:
        explainer.follow(each)
    return explainer.explain(events[-1])


def check(explanation: Explanation, what: str) -> tuple[Any, Any, bool | None]:
    found = {each.what: each for each in explanation.tree.checks}[what]
    return found.expected, found.actual, found.met


def test_a_firing_is_explained_with_its_count_and_its_window() -> None:
    rule = automation(expect=["login.failed"], threshold=3, within="10m", for_each=["id"])
    failed = [event("login.failed", MINUTE * n) for n in (1, 2, 3)]
    before = explained(rule, *failed[:2])
    assert (before.fired, before.reason) == (False, "counted")
    assert check(before, "threshold") == (3, 2, False)
    assert before.tree.window == {"opened": MINUTE, "ends": 11 * MINUTE, "count": 2}
    assert before.tree.bucket == {"id": "thing.1"}
    after = explained(rule, *failed)
    assert (after.fired, after.reason) == (True, "threshold_reached")
    assert check(after, "threshold") == (3, 3, True)


def test_a_label_that_does_not_match_is_named_with_both_sides() -> None:
    rule = automation(expect=["flow-run.failed"], match={"name": "nightly-*"})
    found = explained(rule, event("flow-run.failed", 1, resource={"name": "hourly-a"}))
    assert (found.fired, found.reason) == (False, "match")
    assert check(found, "match name") == ("nightly-*", "hourly-a", False)
    assert "'hourly-a'" in found.tree.detail


def test_an_event_of_another_name_is_not_expected() -> None:
    found = explained(automation(expect=["flow-run.failed"]), event("flow-run.completed", 1))
    assert found.reason == "event_not_expected"
    assert check(found, "expect") == (["flow-run.failed"], "flow-run.completed", False)


def test_a_condition_that_is_false_or_fails_says_so() -> None:
    rule = automation(expect=["a"], where="event.payload.attempt < 3")
    assert explained(rule, event("a", 1, payload={"attempt": 5})).reason == "where_false"
    broken = explained(rule, event("a", 1))
    assert broken.reason == "where_error"
    assert "attempt" in str(check(broken, "where")[1])


def test_a_loop_is_the_reason_even_though_the_trigger_fires() -> None:
    rule = automation(expect=["a"])
    way = {"depth": 1, "chain": [], "automations": {rule.id: 1}}
    found = explained(rule, event("a", 1, causation=way))
    assert (found.fired, found.reason, found.tree.fires) == (False, "loop", True)


def test_a_disabled_automation_is_explained_as_if_it_were_not() -> None:
    found = explained(automation(expect=["a"], enabled=False), event("a", 1))
    assert (found.fired, found.reason, found.tree.fires) == (False, "disabled", True)


def test_a_shadow_is_told_as_one() -> None:
    rule = automation(expect=["a"])
    assert explained(rule, event("a", 1)).to_dict()["shadow"] is False
    shadow = rule.model_copy(update={"shadow": True})
    told = explained(shadow, event("a", 1)).to_dict()
    assert (told["fired"], told["shadow"]) == (True, True)


def test_what_control_held_back_is_a_near_miss() -> None:
    rule = Automation.model_validate(
        {
            **automation(expect=["a"]).model_dump(mode="json"),
            "control": {"throttle": {"limit": 1, "per": "1h"}},
        }
    )
    (miss,) = Explainer(rule, 0).near_misses([event("a", 1), event("a", 2)], 5)
    assert miss.reason == "throttled"


def test_a_compound_shows_each_of_its_triggers() -> None:
    parts = [{"expect": ["a"]}, {"expect": ["b"]}, {"expect": ["c"]}]
    rule = automation(type="compound", require="all", within="10m", triggers=parts)
    found = explained(rule, event("a", MINUTE), event("b", 2 * MINUTE))
    assert (found.fired, found.reason) == (False, "waiting_for_other_triggers")
    assert check(found, "require") == (3, 2, False)
    assert [(part.place, part.fires) for part in found.tree.parts] == [
        ("trigger.triggers.0", False),
        ("trigger.triggers.1", True),
        ("trigger.triggers.2", False),
    ]
    events = [event(name, MINUTE * n) for n, name in enumerate("abc")]
    assert explained(rule, *events).fired


def test_a_part_tells_when_it_fired_and_whether_it_must_not() -> None:
    parts = [{"expect": ["a"]}, {"expect": ["b"]}, {"not": {"expect": ["c"]}}]
    rule = automation(type="compound", require="all", within="10m", triggers=parts)
    found = explained(rule, event("a", MINUTE), event("x", 2 * MINUTE))
    assert [(each.held, each.negated) for each in found.tree.parts] == [
        (MINUTE, False),
        (None, False),
        (None, True),
    ]


def test_a_sequence_shows_how_far_it_has_come() -> None:
    rule = automation(type="sequence", within="10m", triggers=[{"expect": "a"}, {"expect": "b"}])
    wrong = explained(rule, event("b", MINUTE))
    assert (wrong.fired, wrong.reason) == (False, "out_of_order")
    assert explained(rule, event("a", 1), event("b", 2)).fired


def test_every_kind_explains_itself() -> None:
    kinds: list[dict[str, Any]] = [
        {"type": "metric", "metric": "failure_count", "operator": ">", "threshold": 2},
        {"type": "deadline", "flow": "etl", "within": "1h"},
        {"type": "freshness", "asset": "orders", "within": "1h"},
        {"type": "schedule", "cron": "0 7 * * *"},
    ]
    for kind in kinds:
        found = explained(automation(**kind), event("flow-run.failed", MINUTE))
        assert not found.fired, kind
        assert found.tree.checks, kind
        assert found.to_dict()["tree"]["verdict"] == found.tree.verdict.value


def test_near_misses_come_newest_first() -> None:
    rule = automation(expect=["a"], match={"name": "x"})
    events = [event("a", n, resource={"name": "y"}) for n in range(5)]
    events.append(event("a", 9, resource={"name": "x"}))
    events.append(event("b", 10))
    misses = Explainer(rule, 0).near_misses(events, 2)
    assert [miss.event.received for miss in misses] == [4, 3]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5 * MINUTE)), max_size=20),
    st.integers(1, 3),
)
def test_explaining_decides_as_the_evaluator_does(
    steps: list[tuple[str, int]], threshold: int
) -> None:
    parts = [{"expect": ["a"], "threshold": threshold, "within": "3m"}, {"expect": ["b", "c"]}]
    rule = automation(type="compound", require="all", within="5m", triggers=parts)
    evaluator, explainer, at = Evaluator(), Explainer(rule, 0), 0
    evaluator.define(rule, 1, 0)
    for sequence, (name, later) in enumerate(steps):
        at += later
        happened = event(name, at, sequence)
        assert explainer.explain(happened).fired == bool(firings(feed(evaluator, happened)))
