"""Throttle: so many in a span, by a rate that a naive token bucket agrees with."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.automations.controlled import evaluating, play, rule, words
from tests.automations.making import event, feed, firings
from upshot.automations.control.base import MAX_HELD


def throttled(line: str, trigger: dict[str, Any] | None = None, /, **throttle: Any) -> str:
    return play(line, trigger, control={"throttle": throttle})


@pytest.mark.parametrize(
    ("line", "throttle", "came"),
    [
        ("A1 A2 A3 A4", {"limit": 2, "per": 10}, "1 2 3!throttled 4!throttled"),
        ("A1 A2 A6 A7 A11", {"limit": 2, "per": 10}, "1 2 6 7!throttled 11"),
        ("A1 A2 A3 A11", {"limit": 1, "per": 10}, "1 2!throttled 3!throttled 11"),
        ("A1 A2 A5.9 A6", {"limit": 2, "per": 10, "burst": 1}, "1 2!throttled 5.9!throttled 6"),
        ("A1 A1 A1 A1", {"limit": 1, "per": 10, "burst": 3}, "1 1 1 1!throttled"),
        ("A1:x A1:y A2:x", {"limit": 1, "per": 10, "key": "resource.id"}, "1 1 2!throttled"),
        ("A1(n=1) A1(n=2) A2(n=1)", {"limit": 1, "per": 9, "key": "payload.n"}, "1 1 2!throttled"),
        ("A1 A2 A3 |40", {"limit": 1, "per": 10, "excess": "queue"}, "1 11 21"),
        ("A1 A2 A3 A30 |40", {"limit": 1, "per": 10, "excess": "queue"}, "1 11 21 31"),
        ("A1 A2 A3 |9", {"limit": 2, "per": 10, "excess": "queue"}, "1 2 6"),
        ("A1:x A2:y A3:x |20", {"limit": 1, "per": 5, "excess": "queue", "key": "id"}, "1 2 6"),
    ],
    ids=str,
)
def test_what_is_too_much_is_dropped_or_waits(
    line: str, throttle: dict[str, Any], came: str
) -> None:
    assert throttled(line, **throttle) == came


def test_a_related_label_is_a_key() -> None:
    line = "A1(^flow=a) A2(^flow=b) A3(^flow=a)"
    assert throttled(line, limit=1, per=60, key="related:flow:name") == "1 2 3!throttled"


def test_an_absence_falls_under_the_key_of_its_bucket() -> None:
    trigger = {
        "expect": "b.done", "after": "a.done", "posture": "Proactive", "within": 5, "for_each": "id"
    }  # fmt: skip
    line = "A1:x A2:y A20:x |60"
    assert throttled(line, trigger, limit=1, per=60, key="resource.id") == "6 7 25!throttled"


STEPS = st.lists(st.integers(0, 4000), min_size=1, max_size=60)


@given(limit=st.integers(1, 7), per=st.integers(1, 9000), burst=st.integers(1, 5), steps=STEPS)
def test_it_agrees_with_a_bucket_of_tokens(
    limit: int, per: int, burst: int, steps: list[int]
) -> None:
    throttle = {"limit": limit, "per": f"{per}ms", "burst": burst}
    evaluator = evaluating(rule(control={"throttle": throttle}))
    rate, tokens, last, at = Fraction(limit, per), Fraction(burst), 1000, 1000
    for number, step in enumerate(steps):
        at += step
        tokens = min(Fraction(burst), tokens + rate * (at - last))
        last, allowed = at, tokens >= 1
        tokens -= allowed
        assert bool(firings(evaluator.on_event(event("a.done", at, number)))) is allowed


@given(limit=st.integers(1, 7), per=st.integers(1, 9000), steps=STEPS)
def test_what_waits_comes_in_order_as_early_as_the_rate_allows(
    limit: int, per: int, steps: list[int]
) -> None:
    throttle = {"limit": limit, "per": f"{per}ms", "excess": "queue"}
    evaluator = evaluating(rule(control={"throttle": throttle}))
    rate, tokens, last, at = Fraction(limit, per), Fraction(limit), 0, 1000
    fired, expected = [], []
    for number, step in enumerate(steps):
        at += step
        fired += firings(evaluator.on_event(event("a.done", at, number)))
        now = max(at, last)
        missing = max(Fraction(0), 1 - tokens - rate * (now - last)) / rate
        now += -(-missing.numerator // missing.denominator)
        tokens, last = min(Fraction(limit), tokens + rate * (now - last)) - 1, now
        expected.append((f"{at}-{number}", now))
    fired += firings(evaluator.advance(last + 1))
    assert [(each.positions[0], each.at) for each in fired] == expected
    evaluator.advance(last + 2 * per * limit + 1)
    assert len(evaluator.windows) == 0


def test_a_queue_is_bounded() -> None:
    automation = rule(control={"throttle": {"limit": 1, "per": "1h", "excess": "queue"}})
    evaluator = evaluating(automation)
    events = [event("a.done", 1000, number) for number in range(MAX_HELD + 3)]
    assert words(feed(evaluator, *events)) == "1 1!queue_full 1!queue_full"


def test_a_rate_that_is_not_used_is_forgotten() -> None:
    evaluator = evaluating(rule(control={"throttle": {"limit": 2, "per": 10, "key": "id"}}))
    feed(evaluator, *[event("a.done", 1000, n, resource={"id": f"r{n}"}) for n in range(50)])
    assert len(evaluator.windows) == 50
    evaluator.advance(6000)
    assert len(evaluator.windows) == 0


@pytest.mark.parametrize(
    ("throttle", "why"),
    [
        ({"limit": 0, "per": 1}, "greater than or equal to 1"),
        ({"limit": 1, "per": 0}, "longer than 0"),
        ({"limit": 1, "per": 1, "excess": "drip"}, "'drop' or 'queue'"),
        ({"limit": 1, "per": 1, "key": "related:flow"}, "related:<role>:<label>"),
        ({"limit": 1}, "Field required"),
    ],
)
def test_a_wrong_throttle_is_refused(throttle: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        rule(control={"throttle": throttle})
