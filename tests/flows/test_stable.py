"""Bytes that are the same for equal values, whatever holds what in however many places."""

from __future__ import annotations

from typing import Any

import pytest

from upshot.flows.calls.keys import inputs_key
from upshot.flows.exceptions import Unhashable
from upshot.flows.results.hashing import hash_value


@pytest.fixture(autouse=True)
def few_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a value count as endless soon."""
    monkeypatch.setattr("upshot.flows.results.stable._MOST_PARTS", 1_000)


def dicts(depth: int = 60) -> dict[Any, Any]:
    """Return dicts that are few in memory and endless when each is written where it is met."""
    value: dict[Any, Any] = {1j: 1}
    for _ in range(depth):
        value = {1j: value, 2j: value}
    return value


def sets(depth: int = 60) -> frozenset[Any]:
    value: frozenset[Any] = frozenset({1j})
    for _ in range(depth):
        value = frozenset({(1, value), (2, value)})
    return value


def test_dicts_that_stand_in_endlessly_many_places_are_hashed_once_each() -> None:
    assert hash_value(dicts()) == hash_value(dicts())
    assert hash_value(dicts()) != hash_value(dicts(61))


def test_sets_that_stand_in_endlessly_many_places_are_written_once_each() -> None:
    assert inputs_key({"x": sets()}) == inputs_key({"x": sets()})
    assert inputs_key({"x": sets()}) != inputs_key({"x": sets(61)})


def test_a_large_value_within_a_dict_is_hashed() -> None:
    values = {1j: [complex(number) for number in range(2_000)]}
    assert hash_value(values) == hash_value(dict(values))
    assert hash_value(values) != hash_value({1j: values[1j][:-1]})


def test_a_value_that_holds_itself_has_a_key_of_inputs_but_no_hash() -> None:
    circle: list[Any] = [1j]
    circle.append(circle)
    assert inputs_key({"x": circle}) == inputs_key({"x": circle})
    with pytest.raises(Unhashable):
        hash_value(circle)
