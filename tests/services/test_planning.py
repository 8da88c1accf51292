"""Plans: a difference tells each field that changes, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshot.services.definitions.planning import change_of, differences, identity

PLAIN = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["a", "b"])
JSON = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)
    ),
    max_leaves=8,
)


def diff(old: Any, new: Any) -> list[dict[str, Any]]:
    return [each.to_dict() for each in differences(old, new)]


def exactly(value: Any) -> str:
    return repr(value)  # True is not 1 here


@given(JSON, JSON)
def test_there_is_a_difference_exactly_where_two_values_differ(old: Any, new: Any) -> None:
    old, new = {"top": old}, {"top": new}
    found = diff(old, new)
    assert bool(found) == (exactly(_sorted(old)) != exactly(_sorted(new)))
    assert all(
        exactly(each.get("old", "?")) != exactly(each.get("new", "?")) or len(each) == 2
        for each in found
    )
    assert len({each["field"] for each in found}) == len(found)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, [{"field": "a.b", "old": 1, "new": 2}]),
        ({"a": 1}, {}, [{"field": "a", "old": 1}]),
        ({}, {"a": None}, [{"field": "a", "new": None}]),
        ({"a": [1, 2]}, {"a": [1, 3]}, [{"field": "a", "old": [1, 2], "new": [1, 3]}]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, [{"field": "a.0.b", "old": 1, "new": 2}]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1}, {"c": 1}]}, [{"field": "a.1", "new": {"c": 1}}]),
        ({"a": [{"b": 1}]}, {"a": []}, [{"field": "a", "old": [{"b": 1}], "new": []}]),
        ({"a": True}, {"a": 1}, [{"field": "a", "old": True, "new": 1}]),
        ({"a": [1]}, {"a": [True]}, [{"field": "a", "old": [1], "new": [True]}]),
    ],
)
def test_a_difference_is_told_at_its_place(old: Any, new: Any, told: list[Any]) -> None:
    assert diff(old, new) == told


def test_a_plan_is_known_by_what_it_does_and_not_by_its_order() -> None:
    one = change_of("variable", "a", {"n": 1}, None)
    other = change_of("variable", "b", {"n": 1}, (3, {"n": 0}))
    idle = change_of("variable", "c", {"n": 1}, (3, {"n": 1}))
    assert identity([one, other]) == identity([other, one, idle])
    later = change_of("variable", "b", {"n": 1}, (4, {"n": 0}))
    assert identity([one, other]) != identity([one, later])
    assert identity([one]) != identity([change_of("variable", "a", {"n": 2}, None)])


def test_a_pause_that_is_told_takes_the_place_of_the_one_that_is_kept() -> None:
    stored = (1, {"n": 1, "paused": True})
    assert change_of("automation", "a", {"n": 2}, stored).doc == {"n": 2, "paused": True}
    assert change_of("automation", "a", {"n": 2, "paused": False}, stored).doc == {"n": 2}
    assert change_of("automation", "a", {"n": 2, "paused": False}, None).doc == {"n": 2}
