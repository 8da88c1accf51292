"""Flows run by hand: their states, parameters, retries and results."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel

from upshot import flow, task
from upshot.events.event import Event
from upshot.flows.exceptions import InvalidParameters
from upshot.flows.states import State, completed, failed

from .conftest import Seen
from .simple import double


@task
def fail() -> None:
    raise ValueError("no")


def test_a_run_by_hand_leaves_its_states_and_its_result(seen: Seen) -> None:
    @flow(tags=["a"], version="1")
    def my_flow(x: int, y: int = 2) -> int:
        """Add."""
        return x + y

    assert my_flow(1) == 3
    run = seen.only_run()
    assert (run.flow, run.result, run.attempt, run.pool) == ("my-flow", 3, 1, "")
    assert run.parameters == {"x": 1, "y": 2}
    assert run.tags == ("a",)
    assert seen.names() == ["flow-run.pending", "flow-run.running", "flow-run.completed"]
    for event in seen.events():
        Event.model_validate(event)


def test_the_last_state_of_a_flow_comes_after_all_of_its_tasks(seen: Seen) -> None:
    @flow
    def f() -> None:
        double.map(range(300))  # nobody waits for these

    f()
    names = seen.names()
    assert names.count("task-run.completed") == 300
    assert names[-1] == "flow-run.completed"


def test_an_exception_fails_the_run_and_is_raised(seen: Seen) -> None:
    @flow
    def f() -> None:
        raise TypeError("wrong kind")

    with pytest.raises(TypeError, match="wrong kind"):
        f()
    state = seen.only_run().state
    assert (state.name, state.message) == ("Failed", "TypeError: wrong kind")
    assert any("Traceback" in message for message in seen.messages())


@pytest.mark.parametrize(
    ("returned", "name"),
    [
        (lambda: None, "Completed"),
        (lambda: [double.submit(1), double.submit(2)], "Completed"),
        (lambda: [double.submit(1), fail.submit()], "Failed"),
        (fail.submit, "Failed"),
        (lambda: failed("by choice"), "Failed"),
        (lambda: completed("by choice"), "Completed"),
        (lambda: State("Cancelled"), "Cancelled"),
        (lambda: (fail.submit(), 3)[1], "Completed"),
    ],
)
def test_what_a_flow_returns_decides_how_it_ends(seen: Seen, returned: Any, name: str) -> None:
    @flow
    def f() -> Any:
        return returned()

    state: Any = f(return_state=True)
    assert state.name == name
    assert seen.only_run().state.name == name


def test_returned_futures_become_their_results(seen: Seen) -> None:
    @flow
    def f() -> Any:
        return double.map([1, 2])

    assert f() == [2, 4]
    assert seen.only_run().result == [2, 4]


class Order(BaseModel):
    id: int
    due: date


def test_parameters_become_the_annotated_types(seen: Seen) -> None:
    @flow
    def f(order: Order, tags: set[str], ratio: float = 1) -> Any:
        assert isinstance(order, Order)
        return order.due, tags, ratio

    assert f({"id": "7", "due": "2026-01-02"}, ["a", "a"], ratio="2.5") == (  # type: ignore[call-overload]
        date(2026, 1, 2),
        {"a"},
        2.5,
    )


def test_wrong_parameters_fail_the_run_and_are_all_named(seen: Seen) -> None:
    @flow(retries=3)
    def f(order: Order, count: int) -> None: ...

    with pytest.raises(InvalidParameters) as error:
        f({"id": "x"}, count="many")  # type: ignore[call-overload]
    assert "order.id: Input should be a valid integer" in str(error.value)
    assert "order.due: Field required" in str(error.value)
    assert "count: Input should be a valid integer" in str(error.value)
    run = seen.only_run()
    assert run.state.name == "Failed"
    assert run.attempt == 1


def test_parameters_are_left_alone_where_that_is_wished(seen: Seen) -> None:
    @flow(validate_parameters=False)
    def f(x: int) -> Any:
        return x

    assert f("3") == "3"  # type: ignore[call-overload]


def test_a_call_that_does_not_fit_makes_no_run(seen: Seen) -> None:
    @flow
    def f(x: int) -> None: ...

    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        f()  # type: ignore[call-overload]
    assert seen.runs() == []


def test_parameters_that_are_no_json_are_shown_by_their_repr(seen: Seen) -> None:
    circle: list[Any] = []
    circle.append(circle)

    @flow(validate_parameters=False)
    def f(a: Any, b: Any, c: Any) -> None: ...

    f(object(), circle, "x" * 400_000)
    shown = seen.only_run().parameters
    assert shown["a"].startswith("<object object at")
    assert shown["b"] == "[[...]]"
    assert shown["c"] == "<str, 400,002 bytes>"


def test_a_retried_flow_does_not_run_again_what_completed(seen: Seen) -> None:
    ran: list[str] = []

    @task
    def note(name: str) -> str:
        ran.append(name)
        if name == "b" and ran.count("b") < 2:
            raise OSError("not yet")
        return name

    @flow(retries=2, retry_delay_seconds=0.01)
    def f() -> list[str]:
        return [note("a"), *note.map(["x", "y"]).result(), note("b"), note("a")]

    assert f() == ["a", "x", "y", "b", "a"]
    assert sorted(ran) == ["a", "a", "b", "b", "x", "y"]
    run = seen.only_run()
    assert (run.attempt, run.state.name) == (2, "Completed")
    states = [event["resource"]["state"] for event in seen.events("flow-run.")]
    assert states == ["Pending", "Running", "Retrying", "Completed"]
    assert seen.states("note-3") == [
        "Pending", "Running", "Failed", "AwaitingRetry", "Retrying", "Completed",
    ]  # fmt: skip


def test_a_result_that_can_not_be_kept_is_made_again(seen: Seen) -> None:
    made: list[object] = []

    @task
    def thing() -> object:
        made.append(object())
        return made[-1]

    tries: list[int] = []

    @flow(retries=1)
    async def f() -> bool:
        one = thing()
        tries.append(1)
        if len(tries) == 1:
            raise OSError("again")
        return one is made[-1]

    assert asyncio.run(f())
    assert len(made) == 2
    assert [record["state"]["name"] for record in seen.tasks().values()] == ["Completed"] * 2


def test_names_of_runs_can_be_templates(seen: Seen) -> None:
    @task(task_run_name="load {table}")
    def load(table: str, rows: int = 1) -> None: ...

    @flow(flow_run_name="all of {schema}-{day}")
    def f(schema: str, day: int = 3) -> None:
        load("orders")

    f("public")
    assert seen.only_run().name == "all of public-3"
    assert list(seen.tasks()) == ["load orders"]
    with pytest.raises(InvalidParameters, match="flow_run_name"):
        flow(flow_run_name="{nothing}")(f.fn)("x")
