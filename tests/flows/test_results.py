"""Results as checkpoints: what is kept comes back as the very same value, or is not kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from upshot.flows.calls.keys import inputs_key
from upshot.flows.results.formats import Kept, ResultFiles, keep, restore

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=20,
)


def untyped() -> Any: ...


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


@given(value=JSON)
def test_what_is_kept_comes_back_exactly(value: Any) -> None:
    kept = keep(value, untyped)
    if kept is not None:
        assert same(restore(kept, untyped), value)


@given(value=st.recursive(st.none() | st.integers() | st.text("abc"), st.lists))
def test_plain_json_is_always_kept(value: Any) -> None:
    assert keep(value, untyped) is not None


class Colour(StrEnum):
    RED = "red"


class Model(BaseModel):
    when: datetime
    parts: tuple[int, ...] = ()


@dataclass
class Point:
    x: Decimal


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (Model(when=datetime(2026, 1, 2, tzinfo=UTC), parts=(1, 2)), Model),
        ([Point(Decimal("1.50"))], list[Point]),
        ((1, "a"), tuple[int, str]),
        ({1: {2}}, dict[int, set[int]]),
        (Colour.RED, Colour),
        (b"\x00abc".decode("latin-1").encode(), bytes),
    ],
)
def test_what_the_annotation_restores_is_kept(value: Any, kind: Any) -> None:
    def function() -> Any: ...

    function.__annotations__["return"] = kind
    kept = keep(value, function)
    assert kept is not None
    assert kept.form == "typed"
    assert same(restore(kept, function), value)


@pytest.mark.parametrize(
    "value", [object(), float("nan"), (1,), {1: 2}, b"a", Colour.RED, "\ud800", {"a": [{1}]}]
)
def test_what_nothing_restores_is_not_kept(value: Any) -> None:
    assert keep(value, untyped) is None


def test_what_is_nested_too_deep_is_not_kept() -> None:
    deep: list[Any] = []
    for _ in range(150):
        deep = [deep]
    circle: list[Any] = []
    circle.append(circle)
    assert keep(deep, untyped) is None
    assert keep(circle, untyped) is None


def test_a_value_that_does_not_fit_its_annotation_is_not_kept() -> None:
    def function() -> int: ...  # type: ignore[empty-body]

    assert keep(Decimal(1), function) is None


def test_large_results_lie_in_files(tmp_path: Path) -> None:
    files = ResultFiles(str(tmp_path))
    path, kept = files.path("run", "task"), Kept("json", b"[1]")
    files.write(path, kept.body)
    assert files.read("json", path, kept.digest) == kept
    assert restore(files.read("json", path, None), untyped) == [1]


def test_equal_inputs_have_equal_keys_and_others_do_not() -> None:
    shared = Point(Decimal(1))
    assert inputs_key({"x": [shared, shared]}) == inputs_key(
        {"x": [Point(Decimal(1)), Point(Decimal(1))]}
    )
    assert inputs_key({"x": {"b", "a", "c"}}) == inputs_key({"x": {"c", "a", "b"}})
    keys = [inputs_key({"x": value}) for value in (1, "1", [1], (1,), {1}, 1.5, None, shared)]
    assert len(set(keys)) == len(keys)


def test_inputs_that_can_not_be_pickled_are_like_no_others() -> None:
    value = {"x": lambda: None}
    assert inputs_key(value) != inputs_key(value)


def doubled(times: int) -> list[Any]:
    """Return lists that hold one and the same list twice: small here, endless in JSON."""
    value: list[Any] = []
    for _ in range(times):
        value = [value, value]
    return value


def test_a_value_that_json_would_write_out_without_end_is_not_kept() -> None:
    assert keep(doubled(60), untyped) is None
    kept = keep(doubled(3), untyped)
    assert kept is not None
    assert restore(kept, untyped) == doubled(3)
