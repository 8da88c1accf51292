"""Flows within flows: a part has a run of its own, and stops with the one that it is a part of."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from typing import Any

import pytest

from tests.waiting import eventually
from upshot import flow, task
from upshot.flows.exceptions import Interrupted
from upshot.flows.flowruns.attempts import Attempts
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.states import State

from .conftest import Processes, Seen
from .simple import double


@task
def fail() -> None:
    raise ValueError("no")


def test_a_flow_called_in_a_flow_is_a_run_of_its_own(seen: Seen) -> None:
    @flow
    def inner(x: int) -> int:
        return double(x)

    @flow
    async def inner_async(x: int) -> int:
        return inner(x) + 1

    @flow
    async def outer() -> Any:
        return inner(double.submit(1)), await inner_async(5)  # type: ignore[call-overload]

    assert asyncio.run(outer()) == (4, 11)
    runs = {(run.flow, str(run.parameters.get("x"))): run for run in seen.runs()}
    parent = runs["outer", "None"]
    assert runs["inner", "2"].parent == parent.id
    assert runs["inner-async", "5"].parent == parent.id
    assert runs["inner", "5"].parent == runs["inner-async", "5"].id
    assert {run.state.name for run in runs.values()} == {"Completed"}
    event = next(
        event
        for event in seen.events("flow-run.completed")
        if event["resource"]["id"] == f"flow-run.{runs['inner', '2'].id}"
    )
    assert {"id": f"flow-run.{parent.id}", "role": "parent-flow-run"} in event["related"]


def test_a_retried_flow_takes_the_results_of_its_parts_that_completed(seen: Seen) -> None:
    ran: list[str] = []

    @flow
    def part(name: str) -> str:
        ran.append(name)
        if name == "b" and ran.count("b") == 1:
            raise OSError("not yet")
        return name

    @flow(retries=1)
    def f() -> str:
        return part("a") + part("b")

    assert f() == "ab"
    assert ran == ["a", "b", "b"]
    assert len(seen.runs()) == 3


def test_a_failed_part_raises_in_the_flow_that_called_it(seen: Seen) -> None:
    @flow
    def part() -> None:
        raise KeyError("k")

    @flow
    def f() -> str:
        with pytest.raises(KeyError):
            part()
        state: Any = part(return_state=True)
        return str(state.name)

    assert f() == "Failed"


def test_a_late_word_of_a_part_that_was_started_again_does_no_harm(seen: Seen) -> None:
    late, said = threading.Event(), threading.Event()

    @task
    def linger() -> None:
        while not late.is_set():
            try:
                late.wait()
            except Interrupted:
                continue
        logging.getLogger("linger").warning("late")
        said.set()

    starts: list[int] = []

    @flow(timeout_seconds=0.2)
    def part() -> None:
        starts.append(1)
        if len(starts) == 1:
            linger.submit().wait()

    @flow(retries=1)
    def whole() -> str:
        part()
        late.set()
        said.wait(10)
        return "went on"

    assert whole() == "went on"


PARTS = """
import time
from upshot import flow

@flow
def part(): time.sleep(60)

@flow(retries=2)
def middle(): part()

@flow(retries=2)
def whole(): middle()
"""


def test_the_parts_of_a_cancelled_run_are_cancelled(processes: Processes) -> None:
    run = processes.create(f"{processes.module(PARTS)}:whole")
    child = processes.start(processes.take(run.id), lease_ms=2_000)
    seen = processes.seen

    def states() -> list[str]:
        return sorted(one.state.name for one in seen.runs())

    eventually(lambda: states() == 3 * ["Running"])
    processes.change(run.id, State("Cancelling"))
    child.end()
    assert states() == 3 * ["Cancelled"]


def test_a_terminated_process_stops_parts_of_parts_for_good(processes: Processes) -> None:
    run = processes.create(f"{processes.module(PARTS)}:whole")
    child = processes.start(processes.take(run.id))
    eventually(lambda: len(runs := processes.seen.runs()) == 3 and all_running(runs))
    child.send_signal(signal.SIGTERM)
    child.end()
    assert [one.state.name for one in processes.seen.runs()] == 3 * ["Crashed"]


def all_running(runs: list[FlowRun]) -> bool:
    return all(run.state.name == "Running" for run in runs)


def test_a_part_that_is_stopped_before_its_code_runs_ends_with_what_it_is_a_part_of(
    seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stops a process comes between any two lines, also of those that begin a run."""
    perform = Attempts.perform

    def stopped(attempts: Attempts) -> State:
        if attempts.context.parent is not None:
            raise Interrupted("terminated")
        return perform(attempts)

    monkeypatch.setattr(Attempts, "perform", stopped)
    part = flow(lambda: 1, name="part")
    with pytest.raises(SystemExit):
        flow(lambda: part(), name="whole")()
    assert [(run.flow, run.state.name) for run in seen.runs()] == [
        ("whole", "Crashed"),
        ("part", "Crashed"),
    ]
