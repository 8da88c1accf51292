"""Odd values and odd errors of users' code: whatever a run is given or returns, it is recorded."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from upshot import flow, task
from upshot.flows.calls.arguments import futures_in
from upshot.flows.calls.futures import TaskFuture
from upshot.flows.calls.keys import inputs_key
from upshot.flows.context import here
from upshot.flows.results.formats import keep
from upshot.flows.states import State
from upshot.flows.taskruns.identity import task_run_of

from .conftest import Seen

if TYPE_CHECKING:
    from nowhere import OnlyForTypeCheckers  # type: ignore[import-not-found]


@task
def same(value: Any) -> Any:
    return value


def circles(children: int = 12) -> dict[str, Any]:
    """Return a tree whose nodes know their parents."""
    root: dict[str, Any] = {"children": []}
    for _ in range(children):
        root["children"].append({"parent": root, "others": root["children"]})
    return root


def shared(depth: int = 40) -> list[Any]:
    """Return a list that is short in memory and endless when it is written out."""
    value: list[Any] = [object]
    for _ in range(depth):
        value = [value, value]
    return value


class Untold(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words for it")


def test_futures_are_found_in_values_that_hold_themselves() -> None:
    future: TaskFuture[int] = TaskFuture("1", "t-0")
    tree = circles()
    tree["children"][3]["result"] = future
    assert futures_in(tree) == [future]
    assert futures_in(shared()) == []


def test_values_with_many_ways_to_the_same_part_have_equal_keys() -> None:
    assert inputs_key({"x": shared()}) == inputs_key({"x": shared()})
    assert inputs_key({"x": shared()}) != inputs_key({"x": shared(41)})


def test_a_task_takes_a_tree_whose_nodes_know_their_parents(seen: Seen) -> None:
    @flow
    def f() -> int:
        return len(same(circles())["children"])

    assert f() == 12


def test_an_annotation_that_can_not_be_read_costs_no_result(seen: Seen) -> None:
    @task
    def broken() -> logging.Missing:  # type: ignore[name-defined]
        return {1}

    @flow
    def f() -> OnlyForTypeCheckers:
        return len(broken())

    assert f() == 1


def test_an_equality_that_fails_costs_no_result() -> None:
    @dataclass(eq=False)
    class Odd:
        value: int = 1

        def __eq__(self, other: object) -> bool:
            raise KeyError("equality")

        __hash__ = None  # type: ignore[assignment]

    def function() -> Any: ...

    function.__annotations__["return"] = Odd
    assert keep(Odd(), function) is None


def test_an_object_that_can_not_be_hashed_is_a_task(seen: Seen) -> None:
    class Work:
        name, __hash__ = "a name of its own", None  # type: ignore[assignment]

        def __init__(self) -> None:
            self.retries = 7

        def __call__(self) -> set[int]:
            return {1}

    made = task(Work())

    @flow
    def f() -> int:
        return len(made())

    assert f() == 1
    assert (made.name, made.retries) == ("Work", 0)


def test_an_error_without_words_fails_the_run(seen: Seen) -> None:
    @flow
    def f() -> None:
        raise Untold

    state: State = f(return_state=True)
    assert (state.name, state.message) == ("Failed", "Untold: (it can't be shown: RuntimeError)")


def test_a_delay_that_can_not_be_made_fails_the_run(seen: Seen) -> None:
    @flow(retries=1, retry_delay_seconds=lambda retries: [1 / 0])
    def f() -> None:
        raise ValueError("mine")

    state: State = f(return_state=True)
    assert (state.name, state.message) == ("Failed", "ZeroDivisionError: division by zero")
    assert isinstance(state.data.__context__, ValueError)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0, "soon"])
def test_delays_and_timeouts_that_are_no_durations_are_refused(seconds: Any) -> None:
    with pytest.raises(ValueError, match="retry_delay_seconds"):
        task(retries=1, retry_delay_seconds=seconds)(lambda: None)
    with pytest.raises(ValueError, match="timeout_seconds"):
        flow(timeout_seconds=seconds)(lambda: None)


@pytest.mark.parametrize("name", ["Running", "AwaitingRetry"])
def test_a_state_that_is_no_end_fails_the_run_that_returns_it(seen: Seen, name: str) -> None:
    @flow
    def f() -> State:
        return State(name)

    ended: State = f(return_state=True)
    assert ended.name == "Failed"
    assert seen.only_run().state.name == "Failed"


def test_a_task_that_completed_is_not_ended_again(seen: Seen) -> None:
    """An interruption may come when the task has just ended, and must not undo that."""

    @flow
    def f() -> None:
        place = here()
        assert place is not None
        run, _ = task_run_of(same, place, {"value": 1})
        for name in ("Pending", "Running", "Completed", "Cancelled", "Failed"):
            run.enter(State(name))

    f()
    assert seen.states("same-0") == ["Pending", "Running", "Completed"]


class Shy:
    """Can be neither shown nor pickled nor compared."""

    def __repr__(self) -> str:
        raise RuntimeError("no words for it")

    def __reduce__(self) -> Any:
        raise RuntimeError("not this way")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("incomparable")

    __hash__ = None  # type: ignore[assignment]


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


ODD: dict[str, Any] = {
    "shy": Shy(),
    "nested": nested(100_000),
    "circular": circles(),
    "not a number": float("nan"),
    "no text": "\ud800",
    "bytes": b"\xff",
    "lock": threading.Lock(),
    "enormous number": 10**5000,
    "odd keys": {(1, 2): 3},
    "function": lambda: None,
    "large": "x" * 5_000_000,
}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_odd_values_go_through_flows_and_tasks(seen: Seen, value: Any) -> None:
    @flow(validate_parameters=False)
    def f(given: Any) -> bool:
        return same(given) is value and same.submit(given).result() is value

    assert f(value)
    assert [run.state.name for run in seen.runs()] == ["Completed"]


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_odd_values_can_be_results_of_flows(seen: Seen, value: Any) -> None:
    @flow
    def f() -> Any:
        return value

    assert f() is value
    assert seen.only_run().state.name == "Completed"


def test_records_show_what_is_no_number_as_that(seen: Seen) -> None:
    @flow
    def f(x: float, shy: Any) -> None: ...

    f(float("-inf"), Shy())
    assert seen.only_run().parameters == {
        "x": "-Infinity",
        "shy": "<Shy that can't be shown: RuntimeError>",
    }
