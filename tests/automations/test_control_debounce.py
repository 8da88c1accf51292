"""Debounce and batch: many firings become one, once it is quiet, or there are enough of them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.automations.controlled import evaluating, play, rule
from tests.automations.making import event, feed, firings, suppressions
from upshot.automations.firing import Firing

STEPS = st.lists(st.integers(0, 9000), min_size=1, max_size=40)


def fired(steps: list[int], control: dict[str, Any]) -> tuple[list[Firing], list[int]]:
    """What fires on events so many ms apart, and when those come."""
    evaluator = evaluating(rule(control=control))
    at, times, outcomes = 1000, [], []
    for number, step in enumerate(steps):
        at += step
        times.append(at)
        outcomes += evaluator.on_event(event("a.done", at, number))
    outcomes += evaluator.advance(at + 60_000)
    assert len(evaluator.windows) == 0
    return firings(outcomes), times


@pytest.mark.parametrize(
    ("line", "debounce", "came"),
    [
        ("A1 |5", {"period": 3}, "4"),
        ("A1 |4", {"period": 4}, ""),
        ("A1 A2 A3 |9", {"period": 3}, "1!debounced 2!debounced 6"),
        ("A1 A4 |9", {"period": 3}, "1!debounced 7"),
        ("A1 A4.1 |9", {"period": 3}, "4 7.1"),
        ("A1 A2 A3 |9", {"period": 3, "keep": "all"}, "6x3"),
        ("A1 A3 A5 A7 |20", {"period": 3, "max_wait": 5, "keep": "all"}, "6x3 10"),
        ("A1:x A2:y A3:x |20", {"period": 3, "key": "id", "keep": "all"}, "5 6x2"),
    ],
    ids=str,
)
def test_it_fires_once_it_is_quiet(line: str, debounce: dict[str, Any], came: str) -> None:
    assert play(line, control={"debounce": debounce}) == came


@given(steps=STEPS, keep=st.sampled_from(["last", "all"]))
def test_one_firing_for_each_restless_time(steps: list[int], keep: str) -> None:
    found, times = fired(steps, {"debounce": {"period": 3, "keep": keep}})
    groups, group = [], [0]
    for number, (before, after) in enumerate(pairwise(times), 1):
        if after - before > 3000:
            groups.append(group)
            group = []
        group.append(number)
    groups.append(group)
    kept = groups if keep == "all" else [group[-1:] for group in groups]
    expected = [[f"{times[n]}-{n}" for n in group] for group in kept]
    assert [list(each.positions) for each in found] == expected
    assert [each.at for each in found] == [times[group[-1]] + 3000 for group in groups]


def test_what_is_taken_the_place_of_is_told_with_its_event() -> None:
    evaluator = evaluating(rule(control={"debounce": {"period": 3}}))
    feed(evaluator, event("a.done", 1000))
    (dropped,) = suppressions(feed(evaluator, event("a.done", 2000)))
    assert (dropped.stage, dropped.at, dropped.reason.value) == ("debounce", 1000, "debounced")


@pytest.mark.parametrize(
    ("line", "batch", "came"),
    [
        ("A1 A2 A3 A4 |20", {"max_size": 3, "timeout": 10}, "3x3 14"),
        ("A1 A2 |20", {"max_size": 3, "timeout": 10}, "11x2"),
        ("A1 A11 A12 |30", {"max_size": 3, "timeout": 10}, "11x2 22"),
        ("A1:x A2:y A3:x |20", {"max_size": 2, "timeout": 10, "key": "id"}, "3x2 12"),
    ],
    ids=str,
)
def test_a_batch_fires_when_it_is_full_or_late(line: str, batch: dict[str, Any], came: str) -> None:
    assert play(line, control={"batch": batch}) == came


@given(steps=STEPS, size=st.integers(2, 6))
def test_every_event_is_in_one_batch(steps: list[int], size: int) -> None:
    found, times = fired(steps, {"batch": {"max_size": size, "timeout": 12}})
    batches: list[list[int]] = []
    for number, at in enumerate(times):
        if batches and len(batches[-1]) < size and at <= times[batches[-1][0]] + 12_000:
            batches[-1].append(number)
        else:
            batches.append([number])
    expected = [[f"{times[n]}-{n}" for n in batch] for batch in batches]
    assert [list(each.positions) for each in found] == expected
    assert [each.batch for each in found] == [len(batch) for batch in batches]


def test_a_batch_of_restless_times_counts_all_of_them() -> None:
    control = {
        "debounce": {"period": 3, "keep": "all"}, "batch": {"max_size": 5, "timeout": 60}
    }  # fmt: skip
    assert play("A1 A2 A9 A10 A11 |30", control=control) == "14x5"


def test_a_batch_has_one_way_with_every_automation_that_was_passed() -> None:
    evaluator = evaluating(rule(control={"batch": {"max_size": 2, "timeout": 9}}))
    ways = [{"depth": n, "chain": [f"c{n}"], "automations": {f"a{n}": n}} for n in (2, 1)]
    events = [event("a.done", 1000 + n, causation=way) for n, way in enumerate(ways)]
    (firing,) = firings(feed(evaluator, *events))
    assert firing.causation.depth == 3
    assert {"a1": 1, "a2": 2}.items() <= firing.causation.automations.items()


@pytest.mark.parametrize(
    ("control", "why"),
    [
        ({"debounce": {"period": 0}}, "longer than 0"),
        ({"debounce": {"period": 5, "max_wait": 4}}, "shorter than 'period'"),
        ({"debounce": {"period": 5, "keep": "first"}}, "'last' or 'all'"),
        ({"batch": {"max_size": 1, "timeout": 5}}, "greater than or equal to 2"),
        ({"batch": {"max_size": 10}}, "Field required"),
        ({"batch": {"max_size": 10, "timeout": 0}}, "longer than 0"),
    ],
)
def test_a_wrong_one_is_refused(control: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        rule(control=control)
