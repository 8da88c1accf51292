"""Task runners: the same flow with one argument changed, its states in the log all the same."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from upshot import (
    AsyncioTaskRunner,
    DaskTaskRunner,
    ProcessPoolTaskRunner,
    TaskRunner,
    ThreadPoolTaskRunner,
    emit_event,
    flow,
    get_run_logger,
    runtime,
    task,
    unmapped,
)
from upshot.flows.exceptions import OutsideRun, TimedOut
from upshot.flows.states import State

from .conftest import Seen, of_one_cluster

DASK = pytest.param("dask", marks=of_one_cluster)
KINDS = ["threads", "asyncio", "processes", DASK]
REMOTE = ["processes", DASK]


@pytest.fixture
def runner(request: pytest.FixtureRequest) -> TaskRunner:
    match request.param:
        case "threads":
            return ThreadPoolTaskRunner(2)
        case "asyncio":
            return AsyncioTaskRunner(2)
        case "processes":
            return ProcessPoolTaskRunner(2)
        case _:
            return DaskTaskRunner(request.getfixturevalue("cluster"))


on_each = pytest.mark.parametrize("runner", KINDS, indirect=True)
on_remote = pytest.mark.parametrize("runner", REMOTE, indirect=True)


@on_each
def test_a_flow_is_the_same_wherever_its_tasks_run(seen: Seen, runner: TaskRunner) -> None:
    @task
    def inner(x: int) -> int:
        return x + 1

    @task(retries=1, tags=["t"])
    def work(x: int, by: int) -> int:
        get_run_logger().info("works on %d", x)
        if x == 2 and runtime.task_run.run_count == 1:
            raise ValueError("first time")
        return inner(x) * by

    @task
    async def coroutine(xs: list[int]) -> int:
        await asyncio.sleep(0)
        return sum(xs)

    @task
    def generate(n: int) -> Iterator[int]:
        yield from range(n)

    @flow(task_runner=runner)
    def f() -> Any:
        mapped = work.map(range(4), unmapped(10))
        return coroutine.submit(mapped).result(), generate.submit(3).result()

    assert f() == (100, [0, 1, 2])
    assert seen.states("work-2") == [
        "Pending", "Running", "AwaitingRetry", "Retrying", "Completed",
    ]  # fmt: skip
    states = {name: record["state"]["name"] for name, record in seen.tasks().items()}
    assert len(states) == 4 + 4 + 2
    assert set(states.values()) == {"Completed"}
    assert seen.messages().count("works on 2") == 2


@on_each
def test_a_failure_is_the_tasks_own_exception(seen: Seen, runner: TaskRunner) -> None:
    @task
    def fail() -> None:
        raise KeyError("mine")

    @flow(task_runner=runner)
    def f() -> None:
        fail.submit().result()

    with pytest.raises(KeyError, match="mine"):
        f()
    assert seen.tasks()["fail-0"]["state"]["message"] == "KeyError: 'mine'"


@on_each
def test_a_task_that_takes_too_long_is_timed_out(seen: Seen, runner: TaskRunner) -> None:
    @task(timeout_seconds=0.2)
    def slow() -> None:
        for _ in range(200):
            time.sleep(0.05)

    @flow(task_runner=runner)
    def f() -> State:
        return slow.submit(return_state=True)

    with pytest.raises(TimedOut):
        f()
    assert seen.tasks()["slow-0"]["state"]["name"] == "TimedOut"


@on_remote
def test_functions_run_in_other_processes(seen: Seen, runner: TaskRunner) -> None:
    class Loader:
        def __init__(self, by: int) -> None:
            self.by = by

        @task
        def load(self, x: int) -> tuple[int, int]:
            return x * self.by, os.getpid()

    @flow(task_runner=runner)
    def f() -> list[tuple[int, int]]:
        return Loader(3).load.map([1, 2]).result()

    (one, its), (two, _) = f()
    assert (one, two) == (3, 6)
    assert its != os.getpid()


@on_remote
def test_what_can_not_be_sent_is_named(seen: Seen, runner: TaskRunner) -> None:
    @task
    def take(x: int, thing: Any) -> Any:
        return threading.Lock() if thing is None else 1

    class Odd(Exception):
        def __init__(self) -> None:
            super().__init__("odd")
            self.lock = threading.Lock()

    @task
    def fail() -> None:
        raise Odd

    @flow(task_runner=runner)
    def f() -> list[str]:
        states: list[State] = [
            take.submit(1, threading.Lock(), return_state=True),
            take.submit(1, None, return_state=True),
            fail.submit(return_state=True),
        ]
        return [state.message for state in states]

    told = f()
    assert told[0].startswith("Unpicklable: thing: can not be sent to another process: cannot")
    assert told[1].startswith("Unpicklable: its result, a lock, can not be sent")
    assert told[2] == "FailedElsewhere: Odd: odd"


@on_remote
def test_tasks_of_a_function_elsewhere_belong_to_one_attempt_of_it(
    seen: Seen, runner: TaskRunner
) -> None:
    @task
    def inner(x: int) -> int:
        return x + 1

    @task(retries=1)
    def work() -> int:
        got = inner(1) + sum(inner.map([2, 3]).result())
        if runtime.task_run.run_count == 1:
            raise ValueError("again")
        return got

    @flow(task_runner=runner, retries=1)
    def f() -> int:
        got = work.submit().result()
        if runtime.flow_run.run_count == 1:
            work.with_options(name="other").submit().result()
            raise ValueError("again")
        return got

    assert f() == 9
    key = seen.store.keys("tasks", seen.only_run().id)
    kinds = [value.split(b" ")[0] for value in seen.store.execute("HVALS", key)]
    assert kinds == [b"Completed"] * (2 + 4 * 3)


@on_remote
def test_events_and_prints_come_back(seen: Seen, runner: TaskRunner) -> None:
    @task(log_prints=True)
    def tell() -> None:
        print("told", "so")
        emit_event("order.placed", "order.1")

    @flow(task_runner=runner)
    def f() -> None:
        tell.submit().wait()

    f()
    assert "told so" in seen.messages()
    (event,) = seen.events("order.placed")
    assert {"flow-run", "task-run"} <= {labels["role"] for labels in event["related"]}


@on_remote
def test_a_flow_can_not_be_called_there(seen: Seen, runner: TaskRunner) -> None:
    @flow
    def inner() -> int:
        return 1

    @task
    def work() -> int:
        return inner()

    @flow(task_runner=runner)
    def f() -> int:
        return work.submit().result()

    with pytest.raises(OutsideRun, match="let the flow call it"):
        f()


def test_coroutines_share_the_loop_of_their_flow_where_that_is_wished(seen: Seen) -> None:
    @task
    async def where() -> int:
        return id(asyncio.get_running_loop())

    @flow(task_runner=AsyncioTaskRunner())
    async def f() -> bool:
        return await where.submit() == id(asyncio.get_running_loop())

    @flow(task_runner=AsyncioTaskRunner())
    async def blocks() -> None:
        where.submit().result()

    assert asyncio.run(f())
    with pytest.raises(OutsideRun, match="await it"):
        asyncio.run(blocks())


def test_runners_refuse_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="max_workers: must be a whole number, 1 or more"):
        ProcessPoolTaskRunner(0)
    with pytest.raises(ValueError, match="one of cluster, address and cluster_class"):
        DaskTaskRunner("c", address="tcp://127.0.0.1:1")
    with pytest.raises(TypeError, match="task_runner: must be a task runner"):
        flow(task_runner="threads")(lambda: None)  # type: ignore[call-overload]
