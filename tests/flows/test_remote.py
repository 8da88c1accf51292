"""Runs that other processes execute: deployments and background tasks, asked for from code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.waiting import eventually
from upshot import (
    Deployment,
    arun_deployment,
    flow,
    run_deployment,
    runtime,
    wait_for_flow_run,
)
from upshot.events.exceptions import NotFound, StoreUnavailable
from upshot.flows.definitions.entrypoints import load_module
from upshot.flows.definitions.taskdef import Task, task
from upshot.flows.deployments.deployment import put
from upshot.flows.exceptions import (
    DeploymentNotFound,
    EntrypointNotFound,
    InvalidParameters,
    NotCompleted,
)
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.runs.transitions import transition_arguments
from upshot.flows.states import State

from .conftest import Processes, Seen

MODULE = """
import os
from dataclasses import dataclass
from pathlib import Path
from upshot import flow, task

@dataclass
class Point:
    x: int

@task(tags=["far"], task_run_name="move {by}")
def move(point: Point, by: int = 1) -> Point:
    return Point(point.x + by)

@task
async def slow(x: int) -> int:
    return x + 1

@task
def each(n: int):
    yield from range(n)

@task
def fail(x: int) -> None:
    raise ValueError("oh")

@flow
def child(x: int, y: int = 5) -> int:
    return x + y

@flow
def second_time(path: str) -> str:
    if not Path(path).exists():
        Path(path).touch()
        raise ValueError("first time")
    return "went on"
"""


@pytest.fixture
def module(processes: Processes) -> Any:
    return load_module(processes.module(MODULE))


@pytest.fixture
def worker(processes: Processes) -> Iterator[None]:
    """Execute what comes into the queue of the pool ``default``, as a worker does."""
    seen, stopping = processes.seen, threading.Event()

    def work() -> None:
        queue = seen.store.keys("queue", "default")
        while not stopping.is_set():
            for entry, fields in seen.store.execute("XRANGE", queue, "-", "+"):
                seen.store.execute("XDEL", queue, entry)
                processes.go(fields[1].decode())
            stopping.wait(0.01)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stopping.set()
    thread.join()


def deployed(seen: Seen, module: Any, name: str, **rest: Any) -> str:
    entrypoint = f"{module.__file__}:{name}"
    deployment = Deployment(name=f"{name}/here", entrypoint=entrypoint, **rest)
    put(seen.store, deployment)
    return deployment.name


def test_a_delayed_task_runs_elsewhere_and_its_future_has_the_result(
    seen: Seen, module: Any, worker: None
) -> None:
    future = module.move.delay(module.Point(3), by=4)
    assert future.result(timeout=60) == module.Point(7)
    run = seen.run(future.flow_run_id)
    assert (run.flow, run.name, run.pool, run.tags) == ("move", "move 4", "default", ("far",))
    assert run.parameters == {"point": {"x": 3}, "by": 4}
    assert [record["state"]["name"] for record in seen.tasks(run.id).values()] == ["Completed"]


def test_coroutines_and_generators_can_be_delayed(module: Any, worker: None) -> None:
    assert module.slow.delay(1).result(timeout=60) == 2
    assert module.each.delay(3).result(timeout=60) == [0, 1, 2]
    future = module.slow.apply_async([4], {})
    assert (future.result(timeout=60), future.task_run_id) == (5, future.flow_run_id)

    async def main() -> Any:
        return await module.slow.delay(2)

    assert asyncio.run(main()) == 3


def test_a_delayed_task_that_fails_says_so(module: Any, worker: None) -> None:
    future = module.fail.delay(1)
    with pytest.raises(NotCompleted, match="ValueError: oh"):
        future.result(timeout=60)
    assert future.state.is_failed()


def test_a_future_waits_no_longer_than_it_is_told(seen: Seen, module: Any) -> None:
    future = module.slow.delay(1)
    assert future.wait(timeout=0.05) is None
    with pytest.raises(TimeoutError, match="did not end within 0 seconds"):
        future.result(timeout=0)


def circle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


UNFIT: dict[str, tuple[Any, str]] = {
    "an object": (object(), "by: can not be written as JSON"),
    "bytes": ({1: b"\xff"}, "by: can not be written as JSON"),
    "a circle": (circle(), "by: can not be written as JSON"),
    "a very deep list": (deep(9999), "by: can not be written as JSON"),
    "a deep list": (deep(150), "by: nested deeper than 100 levels"),
    "NaN": (float("nan"), "by: NaN, Infinity"),
    "infinity": ({"deep": [float("inf")]}, r"by\.deep\.0: NaN, Infinity"),
    "much": ("x" * 600_000, "by: the parameters have 600,0.. bytes"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_does_not_fit_can_not_travel(seen: Seen, module: Any, name: str) -> None:
    value, why = UNFIT[name]
    with pytest.raises(InvalidParameters, match=f"^{why}"):
        module.move.delay(module.Point(1), by=value)
    assert seen.runs() == []


def test_a_task_that_no_worker_could_load_is_not_delayed(seen: Seen) -> None:
    @task
    def local() -> None: ...

    with pytest.raises(EntrypointNotFound, match="move it to the module"):
        local.delay()


def test_nothing_is_delayed_where_no_service_runs(
    seen: Seen, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UPSHOT_REDIS_URL")
    with pytest.raises(StoreUnavailable, match="no Upshot runs here"):
        module.slow.delay(1)


def test_a_deployment_runs_and_is_waited_for(seen: Seen, module: Any, worker: None) -> None:
    name = deployed(seen, module, "child", parameters={"y": 7}, tags=["d"])
    run = run_deployment(name, {"x": 1}, flow_run_name="mine", tags=["t"], timeout=60)
    assert (run.state.name, run.result, run.state.result()) == ("Completed", 8, 8)
    assert (run.name, run.deployment, run.tags) == ("mine", "child/here", ("d", "t"))
    assert run.parent is None


def test_a_deployment_need_not_be_waited_for(seen: Seen, module: Any) -> None:
    name = deployed(seen, module, "child")
    runs = [run_deployment(name, {"x": 1}, timeout=0, idempotency_key="k") for _ in range(2)]
    assert runs[0].id == runs[1].id
    assert runs[0].state.name == "Scheduled"


async def test_any_run_can_be_waited_for(seen: Seen, module: Any) -> None:
    name = deployed(seen, module, "child", parameters={"y": 7})
    run = await arun_deployment(name, {"x": 1}, timeout=0)
    with pytest.raises(TimeoutError, match=run.name):
        await wait_for_flow_run(run.id, timeout=0)
    seen.store.call("transition", *transition_arguments(run, State("Cancelled"), own=False))
    assert (await wait_for_flow_run(run.id, timeout=60)).state.name == "Cancelled"
    with pytest.raises(NotFound, match="no run has the id"):
        await wait_for_flow_run("x")


def test_a_deployment_that_there_is_not_is_an_error(seen: Seen) -> None:
    with pytest.raises(DeploymentNotFound, match="no deployment has the name 'no/such'"):
        run_deployment("no/such")


def test_a_deployment_that_a_flow_runs_is_a_part_of_its_run(
    seen: Seen, module: Any, worker: None
) -> None:
    name = deployed(seen, module, "child")

    @flow
    def parent() -> tuple[str | None, FlowRun]:
        return runtime.flow_run.id, run_deployment(name, {"x": 2}, timeout=60)

    @flow
    async def aside() -> Any:
        return await run_deployment(name, {"x": 3}, timeout=60)  # type: ignore[misc]

    mine, run = parent()
    assert (run.parent, run.result) == (mine, 7)
    assert asyncio.run(aside()).result == 8


def test_a_retried_flow_lets_the_run_of_a_deployment_go_on(
    seen: Seen, module: Any, worker: None, tmp_path: Any
) -> None:
    name = deployed(seen, module, "second_time")

    @flow(retries=1)
    def parent() -> Any:
        return run_deployment(name, {"path": str(tmp_path / "f")}, timeout=60).state.result()

    assert parent() == "went on"
    assert [run.attempt for run in seen.runs() if run.deployment] == [2]


def test_a_task_that_was_delayed_twice_runs_twice(seen: Seen, module: Any, worker: None) -> None:
    @flow(retries=1)
    def parent() -> list[int]:
        futures = [module.slow.delay(1), module.slow.delay(1)]
        results = [future.result(timeout=60) for future in futures]
        if runtime.flow_run.run_count == 1:
            raise ValueError("again")
        return results

    assert parent() == [2, 2]
    assert len([run for run in seen.runs() if run.flow == "slow"]) == 2


@pytest.mark.parametrize("how", ["parent", "later"])
def test_a_cancelled_flow_cancels_the_run_that_it_waits_for(processes: Processes, how: str) -> None:
    source = """
    from upshot import arun_deployment, flow, run_deployment

    @flow
    def parent():
        run_deployment("child/here", {"x": 1})

    @flow
    async def later():
        await arun_deployment("child/here", {"x": 1})
    """
    seen = processes.seen
    put(seen.store, Deployment(name="child/here", entrypoint="x.py:y", work_pool="nobody"))
    run = processes.create(f"{processes.module(source)}:{how}")
    child = processes.start(processes.take(run.id), lease_ms=2_000)
    eventually(lambda: len(seen.runs()) == 2)
    processes.change(run.id, State("Cancelling"))
    child.end()
    assert [run.state.name for run in seen.runs()] == ["Cancelled", "Cancelled"]


def test_a_task_keeps_its_signature_as_a_flow() -> None:
    def add(x: int, y: int = 2) -> int:
        return x + y

    made = Task(add, name="sum").as_flow()
    assert made.name == "sum"
    assert made.signature.names == ("x", "y")
    with pytest.raises(InvalidParameters, match="x: "):
        made.checked((), {"x": "many"})
