"""Flow processes that are to stop: flows clean up, and the run has ended when the process has."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.waiting import eventually
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.states import State

from .child import Child
from .conftest import Processes

SLEEPS = """
import asyncio, time
from pathlib import Path
from upshot import flow, task

here = Path(__file__).parent

@task
def rest(n):
    time.sleep({nap})

@flow
def f():
    rest.submit(1)
    (here / "begun").touch()
    try:
        time.sleep(60)
    finally:
        (here / "cleaned").touch()

@flow
async def g():
    (here / "begun").touch()
    try:
        await asyncio.sleep(60)
    finally:
        (here / "cleaned").touch()
"""


def begun(processes: Processes, source: str, flow: str, **how: int) -> tuple[FlowRun, Child]:
    """Start the process of a new run; return both when the flow, or its task, has begun."""
    run = processes.create(f"{processes.module(source)}:{flow}")
    process = processes.start(processes.take(run.id), **how)
    eventually((processes.folder / "begun").exists)
    return run, process


@pytest.mark.parametrize("name", ["f", "g"])
def test_a_cancelled_flow_cleans_up_and_is_cancelled(
    processes: Processes, tmp_path: Path, name: str
) -> None:
    run, process = begun(processes, SLEEPS.format(nap=0.01), name, lease_ms=600)
    processes.change(run.id, State("Cancelling"))
    process.end()
    assert processes.seen.run(run.id).state.name == "Cancelled"
    assert (tmp_path / "cleaned").exists()


@pytest.mark.parametrize("name", ["f", "g"])
def test_a_terminated_flow_cleans_up_and_is_crashed(
    processes: Processes, tmp_path: Path, name: str
) -> None:
    run, process = begun(processes, SLEEPS.format(nap=0.01), name)
    process.send_signal(signal.SIGTERM)
    process.end()
    state = processes.seen.run(run.id).state
    assert (state.name, state.message) == ("Crashed", "Interrupted: terminated")
    assert (tmp_path / "cleaned").exists()


def test_a_task_that_can_not_be_interrupted_does_not_keep_the_run(
    processes: Processes, tmp_path: Path
) -> None:
    run, process = begun(processes, SLEEPS.format(nap=100), "f")
    process.send_signal(signal.SIGTERM)
    process.end()
    assert processes.seen.run(run.id).state.name == "Crashed"
    assert processes.seen.states("rest-0", run.id) == ["Pending", "Running", "Cancelled"]


HOOKED = """
import asyncio, time
from pathlib import Path
from upshot import flow

here = Path(__file__).parent

def hook(flow, run, state):
    (here / "stopped").touch()
    while not (here / "go").exists():
        time.sleep(0.01)
    (here / "hooked").touch()

@flow(on_cancellation=[hook])
def f():
    (here / "begun").touch()
    time.sleep(60)

@flow(on_cancellation=[hook])
async def g():
    (here / "begun").touch()
    await asyncio.sleep(60)

@flow
async def deaf():
    (here / "begun").touch()
    try:
        time.sleep(60)
    finally:
        (here / "cleaned").touch()
"""


@pytest.mark.parametrize("name", ["f", "g"])
def test_a_run_that_was_stopped_comes_to_its_end_whoever_else_stops_it(
    processes: Processes, tmp_path: Path, name: str
) -> None:
    run, process = begun(processes, HOOKED, name, lease_ms=600)
    processes.change(run.id, State("Cancelling"))
    eventually((tmp_path / "stopped").exists)
    process.send_signal(signal.SIGTERM)
    (tmp_path / "go").touch()
    code, _ = process.end()
    assert (code, (tmp_path / "hooked").exists()) == (1, True)
    assert processes.seen.run(run.id).state.message == "cancelled while it ran"


def test_a_coroutine_that_keeps_its_event_loop_is_interrupted(
    processes: Processes, tmp_path: Path
) -> None:
    run, process = begun(processes, HOOKED, "deaf", lease_ms=600)
    processes.change(run.id, State("Cancelling"))
    process.end()
    assert (tmp_path / "cleaned").exists()
    assert processes.seen.run(run.id).state.name == "Cancelled"


WAITS = """
import subprocess
from pathlib import Path
from upshot import flow, task

here = Path(__file__).parent

@task
def waits():
    with subprocess.Popen(["sleep", "600"]) as child:
        (here / "child").write_text(str(child.pid))
        (here / "begun").touch()
    (here / "cleaned").touch()

@flow
def f():
    waits.submit().result()

@flow
def late():
    waits.with_options(timeout_seconds=0.5).submit().result()
"""


@pytest.mark.parametrize("name", ["f", "late"])
def test_a_task_in_a_thread_does_not_wait_on_for_a_process(
    processes: Processes, tmp_path: Path, name: str
) -> None:
    run, process = begun(processes, WAITS, name, lease_ms=600)
    if name == "f":
        processes.change(run.id, State("Cancelling"))
    process.end()
    assert not Path("/proc", (tmp_path / "child").read_text()).exists()
    names = {"f": "Cancelled", "late": "TimedOut"}
    assert processes.seen.run(run.id).state.name == names[name]
    assert processes.seen.states("waits-0", run.id)[-1] == names[name]
