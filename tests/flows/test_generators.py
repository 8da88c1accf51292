"""Generators as tasks and flows: states, checkpoints, timeouts, and takers who stop early."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from upshot import flow, get_run_logger, runtime, task
from upshot.flows.exceptions import TimedOut, UpstreamFailed

from .conftest import Processes, Seen


@task
def count(n: int) -> Iterator[int]:
    yield from range(n)


def test_a_generator_task_runs_while_it_is_taken_from(seen: Seen) -> None:
    order: list[str] = []

    @task
    def letters() -> Iterator[str]:
        for letter in "ab":
            order.append(f"yields {letter}")
            yield letter

    @flow
    def f() -> None:
        for letter in letters():
            order.append(f"takes {letter}")

    f()
    assert order == ["yields a", "takes a", "yields b", "takes b"]
    assert seen.states("letters-0") == ["Pending", "Running", "Completed"]
    assert seen.tasks()["letters-0"]["result"] == ["a", "b"]


def test_a_generator_that_nobody_takes_from_has_no_run(seen: Seen) -> None:
    @flow
    def f() -> None:
        count(3)

    f()
    assert seen.tasks() == {}


def test_a_retried_flow_takes_values_from_where_they_were_kept(seen: Seen) -> None:
    yielded: list[int] = []

    @task
    def numbers() -> Iterator[int]:
        for number in range(3):
            yielded.append(number)
            yield number

    @flow(retries=1)
    def f() -> int:
        total = sum(numbers())
        if runtime.flow_run.run_count == 1:
            raise ValueError("again")
        return total

    assert f() == 3
    assert yielded == [0, 1, 2]


def test_a_generator_that_was_left_early_is_not_taken_for_done(seen: Seen) -> None:
    @flow(retries=1)
    def f() -> list[int]:
        if runtime.flow_run.run_count == 1:
            next(iter(count(3)))
            raise ValueError("again")
        return list(count(3))

    assert f() == [0, 1, 2]
    states = [record["state"] for record in seen.tasks().values()]
    assert sorted(state["message"] for state in states) == ["", "closed before its end"]


def test_code_between_two_values_stands_where_the_taker_does(seen: Seen) -> None:
    """A generator shares the context of who takes from it, and must not leave its own there."""

    @task
    def inner() -> str | None:
        return runtime.task_run.name

    @task
    def outer() -> Iterator[Any]:
        for _ in range(2):
            get_run_logger().info("in %s", runtime.task_run.name)
            yield inner()

    @flow
    def f() -> list[Any]:
        return [(value, runtime.task_run.name) for value in outer()]

    assert f() == [("inner-0", None), ("inner-1", None)]
    assert [line["task"] for line in seen.logs()] == ["outer-0", "outer-0"]


def test_only_the_generators_own_time_counts(seen: Seen) -> None:
    @task(timeout_seconds=0.2)
    def quick() -> Iterator[int]:
        yield 1
        yield 2

    @task(timeout_seconds=0.2)
    def slow() -> Iterator[int]:
        yield 1
        for _ in range(100):
            time.sleep(0.02)
        yield 2

    @flow
    def f() -> tuple[int, list[int]]:
        total = 0
        for value in quick():
            time.sleep(0.15)
            total += value
        seen_values: list[int] = []
        with pytest.raises(TimedOut):
            seen_values.extend(slow())
        return total, seen_values

    assert f() == (3, [1])
    assert seen.tasks()["slow-0"]["state"]["name"] == "TimedOut"


def test_a_generator_that_needs_a_failure_is_not_run(seen: Seen) -> None:
    @task
    def fail() -> int:
        raise ValueError

    @flow
    def f() -> None:
        list(count(fail.submit()))  # type: ignore[call-overload]

    with pytest.raises(UpstreamFailed):
        f()
    assert seen.states("count-0") == ["Pending", "Cancelled"]


def test_an_interruption_in_a_generator_ends_it(seen: Seen) -> None:
    @task
    def stops() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    @flow
    def f() -> None:
        list(stops())

    with pytest.raises(KeyboardInterrupt):
        f()
    assert seen.tasks()["stops-0"]["state"]["name"] == "Crashed"
    assert seen.only_run().state.name == "Crashed"


def test_a_generator_flow_is_a_run_of_its_own(seen: Seen) -> None:
    @flow
    def inner(n: int) -> Iterator[int]:
        yield from count(n)

    @flow
    def f() -> int:
        return sum(inner(4))

    assert f() == 6
    parts = {run.flow: run for run in seen.runs()}
    assert parts["inner"].parent == parts["f"].id
    assert (parts["inner"].state.name, parts["inner"].result) == ("Completed", [0, 1, 2, 3])


def test_a_generator_flow_that_fails_says_so_where_it_is_taken_from(seen: Seen) -> None:
    @flow(retries=1)
    def inner() -> Iterator[int]:
        yield 1
        raise ValueError("oh")

    values: list[int] = []
    with pytest.raises(ValueError, match="oh"):
        values.extend(inner())
    assert values == [1, 1]
    assert (seen.only_run().state.name, seen.only_run().attempt) == ("Failed", 2)


def test_a_generator_flow_may_be_left_early(seen: Seen) -> None:
    @flow
    def endless() -> Iterator[int]:
        number = 0
        while True:
            yield number
            number += 1

    for value in endless():
        if value == 2:
            break
    run = seen.only_run()
    assert (run.state.name, run.state.message, run.result) == (
        "Completed", "closed before its end", None,
    )  # fmt: skip


def test_async_generators_do_the_same(seen: Seen) -> None:
    cleaned: list[str] = []

    @task
    async def numbers(n: int) -> AsyncIterator[int]:
        try:
            for number in range(n):
                await asyncio.sleep(0)
                yield number
        finally:
            cleaned.append("cleaned")

    @flow
    async def inner(n: int) -> AsyncIterator[int]:
        async for number in numbers(n):
            yield number

    @flow
    async def f() -> list[int]:
        return [number async for number in inner(3)]

    assert asyncio.run(f()) == [0, 1, 2]
    assert cleaned == ["cleaned"]
    assert {run.state.name for run in seen.runs()} == {"Completed"}


def test_a_worker_runs_a_generator_flow_to_its_end(processes: Processes) -> None:
    source = """
    from upshot import flow

    @flow
    def f(n: int):
        for number in range(n):
            print("yields", number)
            yield number
    """
    run, code = processes.execute(f"{processes.module(source)}:f", parameters={"n": "3"})
    assert (code, run.state.name, run.result) == (0, "Completed", [0, 1, 2])
