"""Values that hold one value in endlessly many places are refused or told of, at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pytest
from pydantic import BaseModel

from upshot.events.exceptions import InvalidEvent
from upshot.flows.amount import holds_too_many
from upshot.flows.calls.parameters import as_json, as_stored
from upshot.flows.data.contents import as_line
from upshot.flows.data.materializing import checked_metadata
from upshot.flows.emitting import emit_event
from upshot.flows.exceptions import InvalidArtifact, InvalidAsset, InvalidParameters

LEVELS = 60


@dataclass
class Pair:
    left: object
    right: object


class Model(BaseModel):
    left: object
    right: object


@dataclass(slots=True)
class Slim:
    left: object
    right: object


def deep(pair: Callable[[Any, Any], Any], levels: int = LEVELS) -> Any:
    return reduce(lambda inner, _: pair(inner, inner), range(levels), 1)


PAIRS: list[Callable[[Any, Any], Any]] = [
    lambda left, right: [left, right],
    lambda left, right: (left, right),
    lambda left, right: {"left": left, "right": right},
    lambda left, right: Model(left=left, right=right),
    Pair,
    Slim,
]


@pytest.mark.parametrize("pair", PAIRS)
def test_what_is_held_twice_counts_twice_in_the_time_of_once(pair: Any) -> None:
    assert holds_too_many(deep(pair))
    for levels in range(8):
        most = 2 ** (levels + 1) - 1
        assert not holds_too_many(deep(pair, levels), most)
        assert holds_too_many(deep(pair, levels), most - 1)


def test_what_holds_itself_and_what_is_very_deep_is_left_to_who_writes_it() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert not holds_too_many(circle)
    chain: list[Any] = []
    for _ in range(100_000):
        chain = [chain]
    assert not holds_too_many(chain)


def test_wide_values_are_counted_too() -> None:
    assert holds_too_many([0] * 1_000_000)
    assert not holds_too_many({str(n): [n] for n in range(1000)})


@pytest.mark.parametrize("pair", PAIRS)
def test_a_run_tells_of_such_a_parameter_by_its_kind(pair: Any) -> None:
    stored = as_stored({"n": 1, "tree": deep(pair)})
    assert stored["n"] == 1
    assert stored["tree"].startswith(f"<{type(deep(pair, 1)).__name__} that holds more than")


@pytest.mark.parametrize("pair", PAIRS)
def test_nothing_of_that_kind_is_taken_where_it_would_have_to_be_carried(pair: Any) -> None:
    tree = deep(pair)
    with pytest.raises(InvalidParameters, match=r"^tree: holds more than 1,000,000 values"):
        as_json("tree", tree)
    with pytest.raises(InvalidArtifact, match=r"^table: holds more than"):
        as_line("table", tree)
    with pytest.raises(InvalidAsset, match=r"^metadata: holds more than"):
        checked_metadata({"tree": tree})
    with pytest.raises(InvalidEvent, match=r"^payload: holds more than"):
        emit_event("order.placed", "order.1", payload={"tree": tree})
