"""What leads to a firing is kept with it, and an automation does not go round in what it caused."""

from __future__ import annotations

from typing import Any

from tests.automations.making import automation, event, feed, firings, suppressions, told
from upshot.automations.evaluation.evaluator import Evaluator
from upshot.automations.firing import Firing
from upshot.events.event import Causation

A, B = "a.done", "b.done"


def test_a_firing_says_what_led_to_it_and_survives_being_kept() -> None:
    evaluator = Evaluator()
    one = automation(expect=A, threshold=2, within="1m", for_each="id")
    evaluator.define(one, 7, 0)
    before = {"depth": 1, "chain": ["e0"], "automations": {"other": 1}}
    (firing,) = firings(feed(evaluator, event(A, 1), event(A, 2, causation=before)))
    assert firing.positions == ("1-0", "2-0")
    assert firing.event is not None
    assert firing.event.id == "e-2-0"
    assert firing.causation == Causation(
        depth=2, chain=["e0", "e-2-0"], automations={"other": 1, one.id: 1}
    )
    assert firing.version == 7
    assert Firing.from_json(firing.to_json()) == firing


def test_an_absence_is_caused_by_the_event_that_opened_its_window() -> None:
    evaluator = Evaluator()
    evaluator.define(automation(after=A, expect=B, posture="Proactive", within=1), 1, 0)
    (firing,) = firings(feed(evaluator, event(A, 1)) + evaluator.advance(9999))
    assert firing.event is None
    assert firing.positions == ("1-0",)
    assert firing.causation.chain == ["e-1-0"]
    assert Firing.from_json(firing.to_json()) == firing


def test_an_automation_does_not_fire_on_what_it_caused_itself() -> None:
    evaluator = Evaluator()
    one, other = automation("one", expect="*"), automation("other", expect="*")
    evaluator.define(one, 1, 0)
    evaluator.define(other, 1, 0)
    way = {"depth": 1, "chain": [], "automations": {one.id: 1}}
    outcomes = feed(evaluator, event(A, 1, causation=way))
    assert [each.automation for each in firings(outcomes)] == ["other"]
    assert [(each.automation, each.reason) for each in suppressions(outcomes)] == [("one", "loop")]


def test_the_report_of_a_suppression_is_not_reported_itself() -> None:
    evaluator = Evaluator()
    one = automation(expect="automation.*")
    evaluator.define(one, 1, 0)
    way = {"depth": 1, "chain": [], "automations": {one.id: 1}}
    assert feed(evaluator, event("automation.suppressed", 1, causation=way)) == []
    assert evaluator.stats.suppressions == 1


def test_a_loop_does_not_use_up_a_firing_that_others_may_cause() -> None:
    evaluator = Evaluator()
    one = automation(expect=A, within="1h")
    evaluator.define(one, 1, 0)
    way = {"depth": 1, "chain": [], "automations": {one.id: 1}}
    outcomes = feed(evaluator, event(A, 1, causation=way), event(A, 2))
    assert told(outcomes) == [("loop", "", 1), ("threshold_reached", "", 2)]


def test_an_absence_loop_is_stopped_but_a_healed_heartbeat_may_be_missed_again() -> None:
    evaluator = Evaluator()
    missing = automation("missing", after=A, expect=B, posture="Proactive", within=1)
    beat = automation("beat", expect=A, posture="Proactive", within=1, for_each="id")
    evaluator.define(missing, 1, 0)
    evaluator.define(beat, 1, 0)
    way = {"depth": 1, "chain": [], "automations": {missing.id: 1, beat.id: 1}}
    outcomes = feed(evaluator, event(A, 10, causation=way)) + evaluator.advance(1500)
    both: list[Any] = [*firings(outcomes), *suppressions(outcomes)]
    assert sorted((each.automation, each.reason.value) for each in both) == [
        ("beat", "absent"), ("missing", "loop"),
    ]  # fmt: skip
