"""How often the clock is looked at changes nothing, nor does when questions are answered."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.automations.controlled import evaluating, rule, words
from tests.automations.making import ACTIONS, event, feed
from tests.automations.test_control_replay import EVENTS, FIELDS, Engine, Step, essence, story
from upshot.automations.outcomes import Asked

RESOLVED: dict[str, Any] = {
    "trigger": {"expect": "a.done", "for_each": "id"},
    "control": {"debounce": {"period": 2, "key": "id"}},
    "conditions": ["event.payload.n >= 0"],
    "resolve": {"expect": "b.done"},
    "on_resolve": ACTIONS,
}


@settings(max_examples=100, deadline=None)
@given(fields=FIELDS, steps=EVENTS, every=st.integers(100, 3000))
def test_how_often_the_clock_is_looked_at_changes_nothing(
    fields: dict[str, Any], steps: list[Step], every: int
) -> None:
    automation = rule(**fields)
    events = story(automation, steps)
    end, now = (events[-1].received if events else 0) + 30_000, 0
    seldom, often = Engine(automation), Engine(automation)
    seldom.start()
    often.start()
    expected = [each for come in events for each in seldom.take(come)] + seldom.finish(end)
    told = []
    for come in events:
        while (now := now + every) < come.received:
            told += often.finish(now)
        told += often.take(come)
    assert essence(told + often.finish(end)) == essence(expected)


def test_what_was_due_before_an_event_comes_about_before_it_though_it_asks() -> None:
    engine = Engine(rule(**RESOLVED))
    engine.start()
    told = engine.take(event("a.done", 1000, payload={"n": 1}))
    told += engine.take(event("b.done", 9000))
    assert words(told) == "3 9~resolved 9>on_resolve"
    assert len(engine.evaluator.windows) == 0


def test_an_event_waits_for_what_is_asked_before_it() -> None:
    evaluator = evaluating(rule(**RESOLVED))
    (asked,) = feed(evaluator, event("a.done", 1000), event("a.done", 5000))
    assert isinstance(asked, Asked)
    assert evaluator.stats.events == 1
    answers = {each: {"payload": {"n": 1}} for each in asked.questions}
    assert words(evaluator.proceed(asked, answers)) == "3"
    assert evaluator.stats.events == 2
