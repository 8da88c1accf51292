"""Futures: what a submitted task is known by, now and when it has ended."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from upshot import flow, task
from upshot.flows import TaskFuture, as_completed, wait
from upshot.flows.exceptions import OutsideRun

from .conftest import Seen
from .simple import double, total, triple


def test_futures_in_arguments_are_resolved_also_in_lists_and_dicts(seen: Seen) -> None:
    @task
    def look(deep: dict[str, Any]) -> Any:
        return deep

    @flow
    def f() -> Any:
        one: Any = double.submit(1)
        two: Any = double.submit(2)
        parts = {"a": [one, {"b": (two, 5)}], "c": {one}}
        return look.submit(parts).result(), total([one, two]), look(deep={"x": one})

    assert f() == ({"a": [2, {"b": (4, 5)}], "c": {2}}, 6, {"x": 2})


def test_a_record_tells_after_which_tasks_it_came(seen: Seen) -> None:
    @flow
    def f() -> int:
        doubled = double.map([1, 2])
        sums = total.submit(doubled)
        return double.submit(3, wait_for=[sums, *doubled]).result()

    f()
    told = {name: record.get("after") for name, record in seen.tasks().items()}
    assert told == {
        "double-0": None,
        "double-1": None,
        "double-2": ["double", "total"],
        "total-0": ["double"],
    }


def test_waiting_inside_of_an_async_task_must_be_awaiting(seen: Seen) -> None:
    @task
    async def blocking() -> int:
        return triple.submit(1).result()

    @task
    async def awaiting() -> int:
        return await triple.submit(1)

    @flow
    def f() -> int:
        with pytest.raises(OutsideRun, match="await it"):
            blocking.submit().result()
        return awaiting.submit().result()

    assert f() == 3


def test_futures_tell_when_they_are_done(seen: Seen) -> None:
    gate = threading.Event()

    @task
    def wait_for_gate(x: int) -> int:
        gate.wait(10)
        return x

    @flow
    def f() -> set[int]:
        futures = wait_for_gate.map([1, 2])
        assert wait(futures, timeout=0.01) == (set(), set(futures))
        assert futures[0].wait(0.01) is None
        assert futures[0].state.name == "Pending"
        with pytest.raises(TimeoutError):
            futures[0].result(timeout=0.01)
        gate.set()
        return {future.result() for future in as_completed(futures)}

    assert f() == {1, 2}


def test_a_future_has_the_id_of_its_task_run(seen: Seen) -> None:
    ids: list[TaskFuture[int]] = []

    @flow
    def f() -> None:
        ids.append(double.submit(1))

    f()
    assert [ids[0].task_run_id] == [record["id"] for record in seen.tasks().values()]


def test_as_completed_waits_no_longer_than_it_is_told(seen: Seen) -> None:
    gate = threading.Event()

    @task
    def wait_here(open_at_once: bool) -> bool:
        return open_at_once or gate.wait(10)

    @flow
    def f() -> int:
        futures = wait_here.map([True, False])
        ended = as_completed(futures, timeout=0.3)
        assert next(ended).result() is True
        with pytest.raises(TimeoutError, match="1 of 2 tasks did not end in time"):
            next(ended)
        gate.set()
        return len(list(as_completed(futures)))

    assert f() == 2


def test_a_callback_gets_the_future_that_ended(seen: Seen) -> None:
    ended: list[TaskFuture[int]] = []

    @flow
    def f() -> TaskFuture[int]:
        future = double.submit(2)
        future.add_done_callback(ended.append)
        future.wait()
        future.add_done_callback(ended.append)
        return future

    f()
    assert [future.result() for future in ended] == [4, 4]
