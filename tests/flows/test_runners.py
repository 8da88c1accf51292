"""Task runners: the same flow with one argument changed, its states in the log all the same."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
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
from upshot.events.processes import is_alive
from upshot.flows.exceptions import OutsideRun, ProcessDied, TimedOut
from upshot.flows.states import State

from .conftest import Processes, Seen, eventually


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from distributed import LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 2, "processes": True}
    with LocalCluster(dashboard_address=":0", **options) as made:
        yield made


KINDS = ["threads", "asyncio", "processes", "dask"]
REMOTE = ["processes", "dask"]


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


def test_tasks_of_a_process_that_died_are_ended(seen: Seen) -> None:
    @task
    def inner() -> None:
        os._exit(1)

    @task
    def work() -> None:
        inner()

    @flow(task_runner=ProcessPoolTaskRunner(1))
    def f() -> None:
        work.submit().wait()

    f()
    (nested,) = (record for record in seen.tasks().values() if record["task"] == "inner")
    assert nested["state"]["name"] == "Crashed"
    assert nested["state"]["message"] == "the process of its task ended"


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


def test_a_process_that_dies_fails_its_task_alone(seen: Seen, tmp_path: Path) -> None:
    @task
    def work(x: int) -> int:
        if x == 1:
            os._exit(7)
        return x

    @task(retries=1)
    def dies_once(path: str) -> str:
        if not Path(path).exists():
            Path(path).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "survived"

    @flow(task_runner=ProcessPoolTaskRunner(2))
    def f() -> Any:
        outcomes = [future.result(raise_on_failure=False) for future in work.map(range(3))]
        return outcomes, dies_once.submit(str(tmp_path / "x")).result()

    (zero, error, two), survived = f()
    assert (zero, two, survived) == (0, 2, "survived")
    assert isinstance(error, ProcessDied)
    assert "exit code 7" in str(error)


def test_a_function_that_does_not_yield_is_killed_when_its_time_is_over(seen: Seen) -> None:
    @task(timeout_seconds=0.2)
    def deaf() -> None:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)
        threading.Event().wait()

    @flow(task_runner=ProcessPoolTaskRunner(1))
    def f() -> Any:
        return deaf.submit().result(raise_on_failure=False), deaf.fn.__name__

    error, _ = f()
    assert isinstance(error, TimedOut)


CANCELLED = """
import time
from pathlib import Path
from upshot import ProcessPoolTaskRunner, flow, task

@task
def work(path):
    try:
        Path(path).touch()
        time.sleep(600)
    finally:
        Path(path + ".cleaned").touch()

@flow(task_runner=ProcessPoolTaskRunner(1))
def f(path): work.submit(path).result()
"""


def test_a_cancelled_flows_processes_clean_up_and_go(processes: Processes, tmp_path: Path) -> None:
    mark = tmp_path / "running"
    entrypoint = f"{processes.module(CANCELLED)}:f"
    run = processes.create(entrypoint, parameters={"path": str(mark)})
    child = processes.start(processes.take(run.id), lease_ms=600)
    eventually(mark.exists)
    processes.change(run.id, State("Cancelling"))
    child.end()
    assert processes.seen.run(run.id).state.name == "Cancelled"
    assert processes.seen.tasks(run.id)["work-0"]["state"]["name"] == "Cancelled"
    assert mark.with_name("running.cleaned").exists()


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


def test_a_cluster_runs_again_what_a_killed_worker_ran(seen: Seen, cluster: Any) -> None:
    @task
    def work(x: int) -> tuple[int, int]:
        time.sleep(0.02)
        return x, os.getpid()

    @flow(task_runner=DaskTaskRunner(cluster))
    def f() -> list[int]:
        futures = work.map(range(60))
        _, victim = futures[0].result()
        os.kill(victim, signal.SIGKILL)
        return [x for x, _ in futures.result()]

    assert f() == list(range(60))
    assert {record["state"]["name"] for record in seen.tasks().values()} == {"Completed"}


def test_a_cluster_can_be_made_for_the_run(seen: Seen) -> None:
    runner = DaskTaskRunner(cluster_kwargs={"n_workers": 1, "dashboard_address": ":0"})

    @task
    def work(x: int) -> int:
        return x + 1

    @flow(task_runner=runner)
    def f() -> int:
        return work.submit(1).result()

    assert f() == 2


def test_runners_refuse_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="max_workers: must be at least 1"):
        ProcessPoolTaskRunner(0)
    with pytest.raises(ValueError, match="one of cluster, address and cluster_class"):
        DaskTaskRunner("c", address="tcp://127.0.0.1:1")
    with pytest.raises(TypeError, match="task_runner: must be a task runner"):
        flow(task_runner="threads")(lambda: None)  # type: ignore[call-overload]


LINGERING = """
import os, time
from pathlib import Path
from upshot import ProcessPoolTaskRunner, flow, task

@task
def work(path):
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)

@flow(task_runner=ProcessPoolTaskRunner(1))
def f(path): work.submit(path).result()
"""


def test_processes_end_with_their_flow_even_if_that_is_killed(
    processes: Processes, tmp_path: Path
) -> None:
    mark = tmp_path / "pid"
    entrypoint = f"{processes.module(LINGERING)}:f"
    run = processes.create(entrypoint, parameters={"path": str(mark)})
    child = processes.start(processes.take(run.id))
    eventually(lambda: mark.exists() and mark.read_text())
    child.send_signal(signal.SIGKILL)
    child.end()
    eventually(lambda: not is_alive(int(mark.read_text())))
