"""Mode: what becomes of a firing while an earlier one is in progress, as the log tells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.automations.controlled import evaluating, play, rule, words
from tests.automations.making import event, feed, firings
from upshot.automations.actions.run_deployment import run_id
from upshot.automations.control.base import MAX_HELD
from upshot.automations.control.progress import GIVEN_UP
from upshot.automations.evaluation.evaluator import Evaluator
from upshot.automations.firing import Firing
from upshot.events.event import Recorded

TWO = [{"retry-flow-run": {}}, {"run-deployment": {"deployment": "etl/nightly"}}]
STOPPING = [{"retry-flow-run": {"on_error": "stop"}}, *TWO]


def settled(firing: Firing, index: int, how: str, at: int) -> Recorded:
    resource = {"id": f"action.{firing.id}.{index}"}
    return replace(event(f"action.{how}", at, 1, resource=resource), own=True)


def run(firing: Firing, index: int, state: str, at: int) -> Recorded:
    resource = {"id": f"flow-run.{run_id(firing.id, index)}"}
    return replace(event(f"flow-run.{state}", at, 2, resource=resource), own=True)


def started(mode: str, **fields: Any) -> tuple[Evaluator, Firing]:
    """An evaluator whose automation has just fired at second 1."""
    control = {"mode": mode, **fields.pop("control", {})}
    evaluator = evaluating(rule(control=control, **fields))
    (firing,) = firings(feed(evaluator, event("a.done", 1000)))
    return evaluator, firing


def again(evaluator: Evaluator, second: int) -> str:
    return words(feed(evaluator, event("a.done", 1000 * second)))


@pytest.mark.parametrize(
    ("line", "control", "came"),
    [
        ("A1 A2 A7 |9", {"mode": "single"}, "1 2!in_progress 7"),
        ("A1 A2 A3 |30", {"mode": "queued"}, "1 6 11"),
        ("A1 A2 A3 A4 |30", {"mode": "queued", "max": 2}, "1 4!queue_full 6 11"),
        ("A1 A2 A3 A7 |30", {"mode": "parallel", "max": 2}, "1 2 3!max_in_progress 7"),
        ("A1 A2 A3 |30", {"mode": "restart"}, "1 2 3"),
        ("A1:x A2:y A3:x |9", {"mode": "single", "key": "id"}, "1 2 3!in_progress"),
        ("A1 A2 A3 |9", {}, "1 2 3"),
    ],
    ids=str,
)
def test_while_one_takes_five_seconds(line: str, control: dict[str, Any], came: str) -> None:
    assert play(line, takes=5, control=control) == came


def test_in_progress_until_every_action_is_settled_and_its_run_has_ended() -> None:
    evaluator, firing = started("single", actions=TWO)
    steps = [
        settled(firing, 0, "triggered", 2000),
        settled(firing, 0, "succeeded", 3000),
        settled(firing, 1, "succeeded", 4000),
        run(firing, 1, "running", 5000),
        run(firing, 1, "scheduled", 6000),  # it awaits a retry
        run(firing, 1, "running", 7000),
    ]
    for step in steps:
        assert feed(evaluator, step) == []
        assert again(evaluator, step.received // 1000).endswith("!in_progress")
    feed(evaluator, run(firing, 1, "failed", 8000))
    assert again(evaluator, 9) == "9"


def test_a_run_may_end_before_its_action_is_settled() -> None:
    evaluator, firing = started("single", actions=TWO)
    feed(evaluator, run(firing, 1, "completed", 2000), settled(firing, 0, "skipped", 2000))
    assert again(evaluator, 3) == "3!in_progress"
    feed(evaluator, settled(firing, 1, "succeeded", 4000))
    assert again(evaluator, 5) == "5"


@pytest.mark.parametrize("how", ["skipped", "failed", "dead-lettered"])
def test_an_action_without_success_started_no_run(how: str) -> None:
    evaluator, firing = started("single", actions=TWO)
    feed(evaluator, settled(firing, 0, how, 2000), settled(firing, 1, how, 3000))
    assert again(evaluator, 4) == "4"


def test_nothing_comes_after_an_action_that_stops_the_rest() -> None:
    evaluator, firing = started("single", actions=STOPPING)
    feed(evaluator, settled(firing, 0, "failed", 2000))
    assert again(evaluator, 3) == "3"


def test_only_the_logs_own_word_counts() -> None:
    evaluator, firing = started("single")
    feed(evaluator, replace(settled(firing, 0, "succeeded", 2000), own=False))
    assert again(evaluator, 3) == "3!in_progress"


def test_the_next_one_goes_on_when_one_ends_with_its_own_event() -> None:
    evaluator, firing = started("queued")
    assert again(evaluator, 2) == again(evaluator, 3) == ""
    (second,) = firings(feed(evaluator, settled(firing, 0, "succeeded", 5000)))
    assert (second.positions, second.at, second.event) == (("2000-0",), 5000, None)
    (third,) = firings(feed(evaluator, settled(second, 0, "failed", 6000)))
    assert third.positions == ("3000-0",)


def test_a_restart_names_those_that_it_stops() -> None:
    evaluator, first = started("restart")
    assert first.replaces == ()
    (second,) = firings(feed(evaluator, event("a.done", 2000)))
    (third,) = firings(feed(evaluator, event("a.done", 3000)))
    assert (second.replaces, third.replaces) == ((first.id,), (second.id,))
    feed(evaluator, settled(first, 0, "skipped", 4000), settled(third, 0, "succeeded", 4000))
    (fourth,) = firings(feed(evaluator, event("a.done", 5000)))
    assert fourth.replaces == ()


def test_one_whose_end_is_never_told_is_given_up() -> None:
    evaluator, _ = started("queued")
    again(evaluator, 2)
    assert evaluator.advance(1000 + GIVEN_UP) == []
    (second,) = firings(evaluator.advance(1001 + GIVEN_UP))
    assert second.positions == ("2000-0",)


def test_what_is_in_progress_survives_a_restart() -> None:
    evaluator, firing = started("queued", actions=TWO)
    again(evaluator, 2)
    other = evaluating(rule(control={"mode": "queued"}, actions=TWO))
    for (node, key), body in evaluator.take_changes().items():
        assert body is not None
        assert other.restore_window(node, key, body)
    feed(other, settled(firing, 0, "succeeded", 3000), settled(firing, 1, "succeeded", 3000))
    (second,) = firings(feed(other, run(firing, 1, "completed", 4000)))
    assert second.positions == ("2000-0",)


def test_a_shadow_is_never_in_progress() -> None:
    evaluator, _ = started("single", shadow=True)
    assert again(evaluator, 2) == "2"


def test_nothing_is_remembered_of_what_is_over() -> None:
    evaluator, firing = started("parallel")
    feed(evaluator, settled(firing, 0, "succeeded", 2000))
    assert len(evaluator.windows) == 0
    assert evaluator.next_deadline() is None


def test_the_longest_queue_is_bounded() -> None:
    with pytest.raises(ValueError, match=f"less than or equal to {MAX_HELD}"):
        rule(control={"mode": "queued", "max": MAX_HELD + 1})


@pytest.mark.parametrize(
    "control", [{"max": 2}, {"mode": "single", "max": 2}, {"mode": "restart", "max": 2}]
)
def test_a_max_needs_a_mode_that_has_one(control: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="'max' needs a 'mode' of queued or parallel"):
        rule(control=control)


def test_one_that_could_not_be_recorded_makes_way() -> None:
    evaluator, firing = started("queued")
    again(evaluator, 2)
    evaluator.give_up(firing)
    evaluator.give_up(firing)
    (second,) = firings(evaluator.advance(3000))
    assert second.positions == ("2000-0",)
