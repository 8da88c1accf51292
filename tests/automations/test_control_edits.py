"""An edited automation keeps what each unchanged stage of control remembers, and only that."""

from __future__ import annotations

from typing import Any

import pytest

from tests.automations.controlled import evaluating, rule, words
from tests.automations.making import ACTIONS, event, feed, suppressions
from upshot.automations.control import Budget, Debounce
from upshot.automations.control.stages import kept_on_edit
from upshot.automations.evaluation.nodes import Defined

BASE: dict[str, Any] = {
    "trigger": {"expect": "a.done", "for_each": "id", "threshold": 1, "within": 0},
    "control": {
        "debounce": {"period": 5, "key": "id"},
        "throttle": {"limit": 1, "per": 60, "excess": "queue"},
        "mode": "queued",
    },
    "budget": {"max": 3, "within": "1h", "then": ACTIONS},
    "resolve": {"expect": "b.done"},
}
ALL = {"control.debounce", "control.throttle", "control.mode", "budget", "resolve"}


def edited(**changes: Any) -> dict[str, Any]:
    return {**BASE, **changes}


def control(**changes: Any) -> dict[str, Any]:
    return {**BASE, "control": {**BASE["control"], **changes}}


@pytest.mark.parametrize(
    ("after", "reset", "fate"),
    [
        (edited(actions=[*ACTIONS, *ACTIONS]), set(), Defined.KEPT),
        (edited(conditions=["true"]), set(), Defined.KEPT),
        (control(max_depth=3), set(), Defined.KEPT),
        (control(debounce={"period": 6, "key": "id"}), {"control.debounce"}, Defined.PARTLY),
        (control(mode="single"), {"control.mode"}, Defined.PARTLY),
        (control(max=4), {"control.mode"}, Defined.PARTLY),
        (edited(budget={"max": 4, "within": "1h"}), {"budget"}, Defined.PARTLY),
        (edited(resolve={"expect": "c.done"}), {"resolve"}, Defined.PARTLY),
        (edited(trigger={"expect": "z.done"}), {"resolve"}, Defined.PARTLY),
        (edited(budget=None), set(), Defined.PARTLY),
        (edited(enabled=False), set(), Defined.DISABLED),
    ],
)
def test_what_is_unchanged_goes_on(after: dict[str, Any], reset: set[str], fate: Defined) -> None:
    told = kept_on_edit(rule(**BASE), rule(**after))
    assert {place for place, same in told.items() if not same} == reset
    assert {place for place, same in told.items() if same} <= ALL - reset
    evaluator = evaluating(rule(**BASE))
    assert evaluator.define(rule(**after), 2, 5000) is fate


def test_what_is_held_goes_on_with_the_new_actions_and_version() -> None:
    evaluator = evaluating(rule(**BASE))
    feed(evaluator, event("a.done", 1000))
    evaluator.define(rule(**edited(description="another")), 2, 2000)
    (firing,) = evaluator.advance(7000)
    assert (words([firing]), getattr(firing, "version", None)) == ("6", 2)


def test_what_is_in_progress_is_waited_for_after_an_edit() -> None:
    evaluator = evaluating(rule(control={"mode": "single"}))
    feed(evaluator, event("a.done", 1000))
    evaluator.define(rule(control={"mode": "single"}, description="another"), 2, 2000)
    assert words(feed(evaluator, event("a.done", 3000))) == "3!in_progress"
    evaluator.define(rule(control={"mode": "parallel"}), 3, 4000)
    assert words(feed(evaluator, event("a.done", 5000))) == "5"


def test_nothing_is_left_of_an_automation_that_is_gone() -> None:
    evaluator = evaluating(rule(**BASE))
    feed(evaluator, event("a.done", 1000), event("a.done", 9000))
    kept = evaluator.take_changes()
    assert any(kept.values())
    evaluator.remove(rule(**BASE).id, 9000)
    assert len(evaluator.windows) == 0
    assert not any(evaluator.take_changes().values())
    assert evaluator.advance(9500) == []
    told = feed(evaluator, event("a.done", 10_000), event("b.done", 11_000))
    assert words(told) == "9!automation_stopped 9!automation_stopped"
    assert evaluator.advance(1 << 50) == []


HELD = {"debounce": {"period": 60, "key": "id"}}
DONE = [event("a.done", 1000 + n, resource={"id": f"t{n}"}) for n in range(3)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"control": {"debounce": {"period": 61, "key": "id"}}}, "automation_changed"),
        ({"control": {}}, "automation_changed"),
        ({"control": HELD, "enabled": False}, "automation_stopped"),
        (None, "automation_stopped"),
    ],
)
def test_what_an_edit_drops_is_told_and_counted(change: Any, reason: str) -> None:
    evaluator = evaluating(rule(control=HELD))
    feed(evaluator, *DONE)
    if change is None:
        evaluator.remove(rule().id, 2000)
    else:
        evaluator.define(rule(**change), 2, 2000)
    gone = suppressions(feed(evaluator, event("x.made", 2000)))
    assert [(each.reason.value, each.stage, each.at) for each in gone] == [
        (reason, "debounce", 2000)
    ] * 3
    assert [each.told for each in gone] == [3, 0, 0]
    assert {each.caused_by for each in gone} == {each.id for each in DONE}
    assert evaluator.stats.suppressions == 3
    assert evaluator.advance(1 << 50) == []


def test_an_incident_whose_end_nobody_will_hear_is_told() -> None:
    evaluator = evaluating(rule(resolve={"expect": "b.done"}))
    feed(evaluator, event("a.done", 1000))
    evaluator.define(rule(resolve={"expect": "c.done"}), 2, 2000)
    (gone,) = suppressions(feed(evaluator, event("x.made", 2000)))
    assert (gone.reason, gone.stage, gone.told) == ("automation_changed", "incident", 1)


def test_what_is_held_over_an_edit_falls_under_the_new_keys() -> None:
    for_each = {"expect": "a.done", "for_each": "id"}
    held = {"debounce": {"period": 5, "key": "id"}}
    evaluator = evaluating(rule(for_each, control={**held, "mode": "single"}))
    feed(evaluator, event("a.done", 1000), event("a.done", 1001, resource={"id": "other"}))
    edited = {"control": {**held, "mode": "single", "key": "id"}, "resolve": {"expect": "b.done"}}
    evaluator.define(rule(for_each, **edited), 2, 2000)
    outcomes = evaluator.advance(9000) + feed(evaluator, event("b.done", 10_000))
    assert words(outcomes) == "6 6.001 10~resolved"


def test_a_stage_that_fails_stops_no_other_automation(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr(Debounce, "at_deadline", fail)
    monkeypatch.setattr(Budget, "decide", fail)
    evaluator = evaluating(rule(control={"debounce": {"period": 3}}))
    evaluator.define(rule(name="two", budget={"max": 1, "within": 9}), 1, 0)
    evaluator.define(rule(name="three", control={"mode": "parallel"}), 1, 0)
    outcomes = feed(evaluator, event("a.done", 1000)) + evaluator.advance(5000)
    assert sorted(words(outcomes).split()) == ["1", "1!error", "4!error"]
    assert evaluator.advance(1 << 40) == []


def test_the_log_keeps_what_is_held_and_no_more() -> None:
    evaluator = evaluating(rule(control={"throttle": {"limit": 1, "per": 10, "excess": "queue"}}))
    feed(evaluator, *[event("a.done", 1000 * second) for second in (1, 2, 3)])
    assert evaluator.oldest_position() == "2000-0"
    evaluator.advance(12_000)
    assert evaluator.oldest_position() == "3000-0"
    evaluator.advance(22_000)
    assert evaluator.oldest_position() is None


def test_control_goes_by_the_clock_while_the_log_is_closed() -> None:
    evaluator = evaluating(rule(control={"debounce": {"period": 5}}))
    feed(evaluator, event("a.done", 1000))
    evaluator.hold(2000)
    assert words(evaluator.advance(7000)) == "6"


def test_what_a_newer_version_kept_is_read_without_what_is_new() -> None:
    evaluator = evaluating(rule(**BASE))
    feed(evaluator, event("a.done", 1000), event("a.done", 9000))
    other = evaluating(rule(**BASE))
    for (node, key), body in evaluator.take_changes().items():
        if body is not None:
            newer = body.replace(b"{", b'{"new":[{"field":1}],', 1)
            newer = newer.replace(b'"held":[{', b'"held":[{"new":1,')
            assert other.restore_window(node, key, newer)
    assert dict(other.windows) == dict(evaluator.windows)
