"""The evaluator: deterministic, bounded by what is open, quiet about downtime, and never stuck."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.automations.making import automation, event, feed, firings, suppressions, told
from upshot.automations.definition import Automation
from upshot.automations.evaluation.evaluator import Evaluator
from upshot.automations.evaluation.nodes import Defined
from upshot.automations.logtime import OpenTime
from upshot.automations.triggers import EventTrigger
from upshot.events.event import Recorded

A, B = "a.done", "b.done"

AUTOMATIONS = [
    automation("each", expect=A),
    automation("thrice", expect="a.*", threshold=3, within=7, for_each="id"),
    automation("then", after=A, expect=[B], within=5, threshold=2, for_each="name"),
    automation("beat", expect=B, posture="Proactive", within=4),
    automation("beats", expect=A, posture="Proactive", within=6, threshold=2, for_each="id"),
    automation("missing", after=A, expect=B, posture="Proactive", within=3, for_each="id"),
    automation("both", after=[A, B], expect="*", posture="Proactive", within=2, threshold=3),
]

EVENTS = st.lists(
    st.tuples(
        st.sampled_from([A, B, "c.done"]),
        st.integers(0, 3),
        st.sampled_from(["thing.1", "thing.2"]),
        st.sampled_from([{}, {"name": "x"}]),
    ),
    max_size=30,
)


def recorded(steps: list[tuple[str, int, str, dict[str, str]]]) -> list[Recorded]:
    events, at = [], 1000
    for number, (name, gap, identity, labels) in enumerate(steps):
        at += gap * 700
        events.append(event(name, at, number, resource={**labels, "id": identity}))
    return events


def fresh(gaps: list[tuple[int, int]]) -> Evaluator:
    evaluator = Evaluator(OpenTime(gaps))
    for each in AUTOMATIONS:
        evaluator.define(each, 1, 500)
    return evaluator


def ids(outcomes: list[Any]) -> list[tuple[str, int]]:
    return [(each.id, each.at) for each in firings(outcomes)]


@settings(max_examples=150, deadline=None)
@given(
    steps=EVENTS,
    cuts=st.sets(st.integers(0, 30)),
    ticks=st.sets(st.integers(0, 30)),
    gaps=st.lists(
        st.tuples(st.integers(0, 20_000), st.integers(0, 20_000)).map(lambda g: (min(g), max(g))),
        max_size=3,
    ),
)
def test_a_replay_that_is_interrupted_anywhere_fires_the_same(
    steps: list[Any], cuts: set[int], ticks: set[int], gaps: list[tuple[int, int]]
) -> None:
    events = recorded(steps)
    whole = fresh(gaps)
    expected = ids(feed(whole, *events) + whole.advance(100_000))

    evaluator, kept = fresh(gaps), {}
    outcomes: list[Any] = []
    for number, each in enumerate(events):
        if number in cuts:
            kept.update(evaluator.take_changes())
            evaluator = fresh(gaps)
            for (identity, bucket), body in kept.items():
                if body is not None:
                    assert evaluator.restore_window(identity, bucket, body)
        if number in ticks:
            outcomes += evaluator.advance(each.received)
        outcomes += evaluator.on_event(each)
    outcomes += evaluator.advance(100_000)
    assert ids(outcomes) == expected
    assert len(set(expected)) == len(expected)


@settings(max_examples=50, deadline=None)
@given(steps=EVENTS)
def test_what_is_kept_is_exactly_what_is_open(steps: list[Any]) -> None:
    evaluator = fresh([])
    kept = evaluator.take_changes()
    for each in recorded(steps):
        evaluator.on_event(each)
        kept.update(evaluator.take_changes())
    still = {key: body for key, body in kept.items() if body is not None}
    assert still == {key: window.to_json() for key, window in evaluator.windows}
    positions = [p for _, window in evaluator.windows for p in window.positions]
    oldest = min(positions, key=lambda p: tuple(map(int, p.split("-"))), default=None)
    assert evaluator.oldest_position() == oldest


def test_silence_while_the_log_was_closed_is_not_an_absence() -> None:
    known, learning = Evaluator(OpenTime([(5000, 60_000)])), Evaluator()
    for evaluator in (known, learning):
        evaluator.define(automation(expect=B, posture="Proactive", within=10), 1, 0)
    learning.note_gap(5000, 60_000)
    for evaluator in (known, learning):
        assert evaluator.next_deadline() == 65_000
        assert evaluator.advance(65_000) == []
        assert told(evaluator.advance(65_001)) == [("absent", "", 65_000)]


def test_no_deadline_passes_while_the_log_is_closed() -> None:
    evaluator = Evaluator()
    evaluator.define(automation(expect=B, posture="Proactive", within=10), 1, 0)
    evaluator.hold(4000)
    assert evaluator.advance(90_000) == []
    evaluator.note_gap(4000, 100_000)
    evaluator.hold(None)
    assert evaluator.advance(106_000) == []
    assert told(evaluator.advance(106_001)) == [("absent", "", 106_000)]


def test_a_deadline_that_passed_before_the_log_closed_still_counts() -> None:
    evaluator = Evaluator()
    evaluator.define(automation(expect=B, posture="Proactive", within=10), 1, 0)
    evaluator.hold(10_001)
    assert told(evaluator.advance(90_000)) == [("absent", "", 10_000)]


def test_deadlines_are_judged_in_their_order_and_before_the_event_behind_them() -> None:
    evaluator = Evaluator()
    evaluator.define(automation("slow", expect=B, posture="Proactive", within=3), 1, 0)
    evaluator.define(automation("fast", expect=B, posture="Proactive", within=2), 1, 0)
    outcomes = evaluator.on_event(event(B, 4500))
    assert [(each.automation, each.at) for each in firings(outcomes)] == [
        ("fast", 2000), ("slow", 3000), ("fast", 4000),
    ]  # fmt: skip


def test_a_changed_definition_keeps_its_windows_only_if_its_trigger_is_the_same() -> None:
    trigger: dict[str, Any] = {"expect": A, "threshold": 2, "within": "1m"}
    evaluator = Evaluator()
    assert evaluator.define(automation(**trigger), 1, 0) is Defined.NEW
    feed(evaluator, event(A, 1))
    described = automation(**trigger).model_copy(update={"description": "new"})
    assert evaluator.define(described, 2, 2) is Defined.KEPT
    assert [each.version for each in firings(feed(evaluator, event(A, 3)))] == [2]
    feed(evaluator, event(A, 70_000))
    assert evaluator.define(automation(**{**trigger, "threshold": 3}), 3, 70_001) is Defined.RESET
    assert feed(evaluator, event(A, 70_002)) == []
    assert evaluator.define(automation(enabled=False, **trigger), 4, 70_003) is Defined.DISABLED
    assert feed(evaluator, event(A, 70_004), event(A, 70_005)) == []
    assert len(evaluator.windows) == 0


def test_a_removed_automation_leaves_nothing_behind() -> None:
    evaluator = Evaluator()
    one = automation(expect=A, posture="Proactive", within=5, for_each="id")
    evaluator.define(one, 1, 0)
    feed(evaluator, event(A, 1))
    assert list(evaluator.take_changes().values()) != [None]
    evaluator.remove(one.id, 0)
    assert evaluator.take_changes() == {(one.id, "thing.1"): None}
    assert evaluator.advance(1_000_000) == []
    assert evaluator.next_deadline() is None
    assert evaluator.oldest_position() is None
    assert not evaluator.restore_window(one.id, "thing.1", b"{}")


def test_windows_that_ended_are_dropped() -> None:
    evaluator = Evaluator()
    evaluator.define(automation(expect=A, threshold=2, within=1, for_each="id"), 1, 0)
    for at in range(0, 5000, 10):
        feed(evaluator, event(A, 1000 + at, resource={"id": f"thing.{at}"}))
    assert len(evaluator.windows) == 100


def test_timers_stay_bounded_by_what_is_open() -> None:
    evaluator = Evaluator()
    evaluator.define(automation(expect=A, posture="Proactive", within="1h"), 1, 0)
    feed(evaluator, *(event(A, at) for at in range(1, 5000)))
    assert len(evaluator.windows) == 1
    assert sum(map(len, evaluator.windows._timers)) < 2000
    assert len(evaluator.windows._positions) < 2000


def test_an_automation_that_can_not_be_evaluated_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evaluator = Evaluator()
    broken, sound = automation("broken", expect="a.*"), automation("sound", expect=A)
    evaluator.define(broken, 1, 0)
    evaluator.define(sound, 1, 0)
    decide = EventTrigger.decide

    def fail(self: EventTrigger, *args: Any) -> Any:
        if self.expect == ("a.*",):
            raise ZeroDivisionError("broken")
        return decide(self, *args)

    monkeypatch.setattr(EventTrigger, "decide", fail)
    outcomes = feed(evaluator, event(A, 1))
    assert [each.automation for each in firings(outcomes)] == ["sound"]
    assert ["broken" in each.message for each in suppressions(outcomes)] == [True]


def test_a_where_that_fails_is_counted_and_does_not_match() -> None:
    evaluator = Evaluator()
    evaluator.define(automation(expect=A, where="event.payload.n > 1"), 1, 0)
    assert feed(evaluator, event(A, 1)) == []
    assert evaluator.stats.where_errors == 1


def test_an_automation_survives_being_written_and_read() -> None:
    written = {
        "name": "nightly-heals-itself",
        "trigger": {
            "posture": "Proactive",
            "after": "flow-run.pending",
            "expect": ["flow-run.running"],
            "match": {"name": ["nightly-*", "!nightly-x"]},
            "match_related": {"role": "deployment", "name": "etl/nightly"},
            "for_each": "id",
            "within": "1h30m",
            "where": "event.payload.attempt < 3",
        },
        "actions": [
            {"retry-flow-run": None},
            {"notify": {"to": "team", "if": "event.payload.attempt == 1", "timeout": 5}},
            {"call-webhook": {"url": "http://x/", "body": {"n": ["{{ event.payload.n }}", 1]}}},
            {"emit-event": {"event": "a.b", "resource": {"id": "x"}, "payload": {"n": 1}}},
            {"run-deployment": {"deployment": "etl/nightly", "parameters": {"n": "{{ 1 }}"}}},
        ],
    }
    automation = Automation.model_validate(written)
    dumped = automation.model_dump(mode="json")
    assert Automation.model_validate(dumped) == automation
    assert dumped["trigger"]["within"] == "1h30m"
    assert list(dumped["actions"][0]) == ["retry-flow-run"]
    assert dumped["actions"][1]["notify"]["if"] == "event.payload.attempt == 1"
