"""Triggers within triggers: what an edit keeps, what causes a firing, and where loops end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.automations.making import automation, event, feed, firings, suppressions, told
from upshot.automations.evaluation.evaluator import Evaluator
from upshot.automations.evaluation.nodes import Defined
from upshot.automations.triggers import CompoundTrigger, kept_on_edit, node_key, walk

TWICE_A: dict[str, Any] = {"expect": "a.done", "threshold": 2, "within": "1m"}
TWICE_B: dict[str, Any] = {"expect": "b.done", "threshold": 2, "within": "1m"}


def both(*triggers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "compound", "within": "1m", "triggers": list(triggers), **more}


def test_an_edit_keeps_what_the_unchanged_parts_have_counted() -> None:
    evaluator = Evaluator()
    evaluator.define(automation(**both(TWICE_A, TWICE_B)), 1, 0)
    feed(evaluator, event("a.done", 1), event("b.done", 2))
    changed = automation(**both(TWICE_A, {**TWICE_B, "threshold": 3}))
    assert evaluator.define(changed, 2, 3) is Defined.PARTLY
    assert feed(evaluator, event("a.done", 4), event("b.done", 5), event("b.done", 6)) == []
    (firing,) = firings(feed(evaluator, event("b.done", 7)))
    assert firing.positions == ("1-0", "4-0", "5-0", "6-0", "7-0")


def test_an_edit_says_which_parts_it_keeps() -> None:
    before = automation(**both(TWICE_A, TWICE_B)).trigger
    assert kept_on_edit(before, before) == {"": True, "0": True, "1": True}
    wider = automation(**both(TWICE_A, TWICE_B, within="2m")).trigger
    assert kept_on_edit(before, wider) == {"": False, "0": True, "1": True}
    other = automation(**both(TWICE_A, both(TWICE_B))).trigger
    assert kept_on_edit(before, other) == {"": False, "0": True, "1": False, "1.0": False}
    assert kept_on_edit(before, automation(**TWICE_A).trigger) == {"": False}


def test_a_part_that_is_taken_out_leaves_nothing_behind() -> None:
    evaluator = Evaluator()
    one = automation(**both(TWICE_A, TWICE_B))
    evaluator.define(one, 1, 0)
    feed(evaluator, event("b.done", 1))
    evaluator.take_changes()
    assert evaluator.define(automation(**both(TWICE_A)), 2, 2) is Defined.PARTLY
    assert evaluator.take_changes() == {(node_key(one.id, "1"), ""): None}
    assert feed(evaluator, event("b.done", 3)) == []
    assert len(evaluator.windows) == 0


def test_keys_of_parts_sort_as_the_parts_stand() -> None:
    many = automation(**both(*[{"expect": "a.done"}] * 12)).trigger
    keys = [node_key("x", place.path) for place in walk(many)]
    assert keys == sorted(keys)
    assert isinstance(many, CompoundTrigger)
    assert len(many.parts) == 12


def way(*automations: str, depth: int = 1, chain: str = "e0") -> dict[str, Any]:
    return {"depth": depth, "chain": [chain], "automations": dict.fromkeys(automations, 1)}


def test_a_firing_was_led_to_by_all_that_led_to_its_events() -> None:
    evaluator = Evaluator()
    one = automation(**both({"expect": "a.done"}, {"expect": "b.done"}))
    evaluator.define(one, 1, 0)
    (firing,) = firings(feed(
        evaluator,
        event("a.done", 1, causation=way("x", "y", depth=3)),
        event("b.done", 2, causation=way("z", chain="e9")),
    ))  # fmt: skip
    assert firing.causation.automations == {"x": 1, "y": 1, "z": 1, one.id: 1}
    assert firing.causation.depth == 4
    assert firing.causation.chain == ["e9", "e-2-0"]


def test_what_an_automation_led_to_itself_counts_in_none_of_its_parts() -> None:
    evaluator = Evaluator()
    one = automation(**both({"expect": "a.done"}, {"expect": "b.done"}))
    evaluator.define(one, 1, 0)
    outcomes = feed(evaluator, event("a.done", 1, causation=way(one.id)), event("b.done", 2))
    assert told(outcomes) == [("loop", "", 1)]
    assert [each.reason.value for each in suppressions(outcomes)] == ["loop"]
    assert len(firings(feed(evaluator, event("a.done", 3)))) == 1


def test_an_absence_within_a_compound_is_caused_by_what_opened_it() -> None:
    evaluator = Evaluator()
    missing = {"after": "a.done", "expect": "b.done", "within": 5, "posture": "Proactive"}
    evaluator.define(automation(**both(missing, {"expect": "c.done"}, within=60)), 1, 0)
    feed(evaluator, event("a.done", 1000), event("c.done", 2000))
    (firing,) = firings(evaluator.advance(10_000))
    assert firing.event is None
    assert firing.positions == ("1000-0", "2000-0")
    assert firing.causation.chain == ["e-1000-0"]


def test_a_part_that_fails_takes_its_automation_only(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator = Evaluator()
    evaluator.define(automation("broken", **both({"expect": "a.done"})), 1, 0)
    evaluator.define(automation("sound", expect="a.done"), 1, 0)

    def fail(*_: Any) -> Any:
        raise ZeroDivisionError("broken")

    monkeypatch.setattr(CompoundTrigger, "gather", fail)
    outcomes = feed(evaluator, event("a.done", 1))
    assert [each.automation for each in firings(outcomes)] == ["sound"]
    assert [each.automation for each in suppressions(outcomes)] == ["broken"]


def test_schedules_go_on_while_the_log_is_closed_and_absences_do_not() -> None:
    evaluator = Evaluator()
    evaluator.define(automation("tick", type="schedule", interval=10), 1, 0)
    evaluator.define(automation("beat", type="freshness", expect="a.done", within=10), 1, 0)
    evaluator.hold(5000)
    assert told(evaluator.advance(25_000)) == [
        ("scheduled_time", "", 10_000), ("scheduled_time", "", 20_000),
    ]  # fmt: skip
    evaluator.note_gap(5000, 30_000)
    evaluator.hold(None)
    assert told(evaluator.advance(36_000)) == [
        ("scheduled_time", "", 30_000), ("stale", "", 35_000),
    ]  # fmt: skip
