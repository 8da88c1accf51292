"""Numbers that JSON does not have are found, wherever they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshot.events.event import Event
from upshot.events.exceptions import InvalidEvent
from upshot.events.finite import not_finite, require_finite

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
)


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value
        return [number for part in parts for number in numbers(part)]
    return [value] if isinstance(value, float) else []


@given(JSON)
def test_a_number_that_is_none_is_found_where_there_is_one(value: Any) -> None:
    assert (not_finite(value) is None) == all(map(math.isfinite, numbers(value)))


@dataclass
class Measured:
    rate: float
    note: str = "NaN"


@pytest.mark.parametrize(
    ("payload", "way"),
    [
        ({"a": float("nan")}, "payload.a"),
        ({"a": [{"b": 1.5}, {"b": float("inf")}]}, "payload.a.1.b"),
        ({"a": (1.0, -math.inf)}, "payload.a.1"),
        ({"a": Measured(math.nan)}, "payload.a.rate"),
    ],
)
def test_it_is_named_in_any_value_that_can_be_written(payload: dict[str, Any], way: str) -> None:
    with pytest.raises(InvalidEvent, match=f"^{way}: NaN, Infinity"):
        refused(payload)


def refused(payload: dict[str, Any]) -> None:
    event = Event(event="a.b", resource={"id": "a"}, payload=payload)
    require_finite(event.payload, event.to_json())


def test_words_that_look_like_one_are_well() -> None:
    refused({"a": None, "b": "Infinity", "c": Measured(1.0), "d": 1e308})
