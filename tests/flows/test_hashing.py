"""Hashes of values and code: equal ones for equal things, in every process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from upshot import (
    INPUTS,
    task,
)
from upshot.flows.exceptions import Unhashable
from upshot.flows.results.hashing import hash_code, hash_value
from upshot.flows.run_contexts import TaskRunContext

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("abc"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=10,
)


class Model(BaseModel):
    x: int = 1
    tags: set[str] = set()


@dataclass
class Point:
    x: int
    labels: dict[str, int]


def turned(value: Any) -> Any:
    """Return an equal value whose dicts were filled the other way round."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return [turned(item) for item in value] if isinstance(value, list) else value


@given(value=JSON)
def test_equal_values_have_equal_hashes_in_any_order(value: Any) -> None:
    assert hash_value(value) == hash_value(turned(value))
    assert hash_value((value,)) == hash_value((turned(value),))


def test_all_kinds_of_values_have_hashes_and_different_ones_different_hashes() -> None:
    values = [
        1, 1.0, "1", True, None, [1], (1,), {1}, {"a": 1}, {"a": 2}, b"1", Model(), Model(x=2),
        Point(1, {}), Point(1, {"a": 1}), PurePosixPath("a"), PurePosixPath("b"), timedelta(1),
    ]  # fmt: skip
    assert len({hash_value(value) for value in values}) == len(values)
    assert hash_value(Model(x=1)) == hash_value(Model())
    assert hash_value(Model(tags={"a", "b"})) == hash_value(Model(tags={"b", "a"}))
    assert hash_value(Point(1, {"a": 1, "b": 2})) == hash_value(Point(1, {"b": 2, "a": 1}))


def test_large_and_circular_values_are_hashed_or_refused_but_never_hang() -> None:
    circle: list[Any] = []
    circle.append(circle)
    ring: dict[str, Any] = {}
    ring["ring"] = ring
    for value in (circle, ring):
        with pytest.raises(Unhashable):
            hash_value(value)
    many = [(number,) for number in range(250_000)]
    assert hash_value(many) == hash_value(list(many))


def test_what_nothing_can_write_is_refused_by_name_unless_cloudpickle_is_chosen() -> None:
    called, anything = task(lambda x: x, name="f"), cast("Any", SimpleNamespace())
    context = TaskRunContext(called, anything, anything)
    with pytest.raises(Unhashable, match="parameter 'made' can't be hashed"):
        INPUTS.compute_key(context, {"x": 1, "made": lambda: 1}, {})
    chosen = type(INPUTS)(cloudpickle=True)
    assert chosen.compute_key(context, {"made": lambda: 1}, {})


def test_the_hash_of_code_changes_with_what_it_does_only() -> None:
    def made(source: str) -> Any:
        place: dict[str, Any] = {}
        exec(source, place)
        return place["f"]

    plain = hash_code(made("def f(x):\n    return x in {'a', 'b'}"))
    assert (
        hash_code(made("# why\n\ndef f(x: str):\n    # how\n    return x in {'b', 'a'}")) == plain
    )
    for other in (
        "def f(x):\n    return x in {'a', 'c'}",
        "def f(x):\n    return x not in {'a', 'b'}",
        "def f(x='a'):\n    return x in {'a', 'b'}",
        "def f(x):\n    return (lambda: x in {'a', 'b'})()",
    ):
        assert hash_code(made(other)) != plain
    assert hash_code(partial(max, 1)) == hash_code(partial(max, 1))
    different = {hash_code(one) for one in (max, min, partial(max, 1), partial(max, 2))}
    assert len(different) == 4


def test_the_hash_of_code_tells_one_variable_of_the_outer_function_from_another() -> None:
    one, other = 1, 2
    assert hash_code(lambda: one) != hash_code(lambda: other)
