"""Backtests: what would have fired is what the evaluator fires, and its actions are filled in."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.automations.making import automation, event, feed, firings
from upshot.automations.definition import Automation
from upshot.automations.evaluation.evaluator import Evaluator
from upshot.automations.trying import backtest
from upshot.automations.trying.backtest import Backtest, difference
from upshot.automations.trying.rendering import Lookups

MINUTE = 60_000


def rule(actions: list[dict[str, Any]], **trigger: Any) -> Automation:
    body = {"name": "one", "trigger": trigger, "actions": actions}
    return Automation.model_validate(body)


def test_actions_are_filled_in_from_all_contributing_events() -> None:
    tell = {"notify": {"to": "x", "title": "{{ events | length }} by {{ event.resource.id }}"}}
    skip = {"notify": {"to": "x", "if": "event.payload.loud"}}
    page = {"notify": {"to": "{{ variables.team }}", "title": "{{ event.payload.missing }}"}}
    tested = rule([tell, skip, page], expect=["a"], threshold=2, within="10m")
    run = Backtest(tested, 0, lookups=Lookups({"team": "ops"}))
    run.feed([event("a", 1, payload={"loud": False}), event("b", 2)])
    run.feed([event("a", 3, payload={"loud": False})])
    result = run.finish(4).to_dict()
    assert (result["events"], result["counts"]["firings"], result["failed"]) == (3, 1, 1)
    (fired,) = result["firings"]
    assert fired["events"] == ["e-1-0", "e-3-0"]
    assert fired["actions"][0]["arguments"]["title"] == "2 by thing.1"
    assert [each["outcome"] for each in fired["actions"]] == ["rendered", "skipped", "failed"]


def test_an_absence_at_the_end_of_the_past_fires() -> None:
    beat = automation(posture="Proactive", expect=["beat"], within="10m", after=["up"])
    run = Backtest(beat, 0)
    run.feed([event("up", MINUTE)])
    assert run.finish(5 * MINUTE).counts["firings"] == 0
    assert run.finish(12 * MINUTE).firings[0]["reason"] == "absent"


def test_loops_are_told_as_suppressions() -> None:
    looping = automation(expect=["a"])
    way = {"depth": 1, "chain": [], "automations": {looping.id: 1}}
    run = Backtest(looping, 0)
    run.feed([event("a", 1, causation=way)])
    assert [each["reason"] for each in run.finish(2).suppressed] == ["loop"]


def test_only_so_many_are_kept_but_all_are_counted() -> None:
    run = Backtest(automation(expect=["a"]), 0, limit=2)
    run.feed([event("a", n) for n in range(5)])
    result = run.finish(9)
    assert (len(result.firings), result.counts["firings"]) == (2, 5)


def test_memory_is_bounded_by_what_windows_need(monkeypatch: Any) -> None:
    monkeypatch.setattr(backtest, "MOST_REMEMBERED", 10)
    run = Backtest(automation(expect=["a"], threshold=3, within="1s"), 0)
    for n in range(200):
        run.feed([event("a", n * 600)])
    assert len(run._events) <= 11
    run.feed([event("a", 200 * 600 + n) for n in range(1, 4)])
    assert run.finish(10**9).counts["firings"] >= 1


def test_two_versions_are_told_apart_by_when_they_fire() -> None:
    one, other = Backtest(automation(expect=["a", "b"]), 0), Backtest(automation(expect=["a"]), 0)
    events = [event("a", 1), event("b", 2)]
    one.feed(events)
    other.feed(events)
    told = difference(one, other)
    assert told["only_this"] == [{"at": 2, "bucket": "", "position": "2-0"}]
    assert told["only_against"] == []
    assert told["same"] == 1


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3 * MINUTE)), max_size=30),
    st.sampled_from(["Reactive", "Proactive"]),
)
def test_a_backtest_fires_what_live_evaluation_fires(
    steps: list[tuple[str, int]], posture: str
) -> None:
    tested = automation(expect=["a"], threshold=2, within="5m", posture=posture)
    events, at = [], 0
    for sequence, (name, later) in enumerate(steps):
        at += later
        events.append(event(name, at, sequence))
    live = Evaluator()
    live.define(tested, 1, 0)
    fired = firings(feed(live, *events)) + firings(live.advance(at + 1))
    run = Backtest(tested, 0)
    for cut in range(0, len(events), 7):
        run.feed(events[cut : cut + 7])
    assert [each["id"] for each in run.finish(at + 1).firings] == [each.id for each in fired]
