"""Tasks in processes: what dies, what does not yield, and what is left when their flow ends."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import eventually
from upshot import (
    ProcessPoolTaskRunner,
    flow,
    task,
)
from upshot.events.embedded import EmbeddedStore
from upshot.events.exceptions import StoreUnavailable
from upshot.events.processes import is_alive
from upshot.flows.exceptions import ProcessDied, TimedOut
from upshot.flows.runners.executing import Relay
from upshot.flows.states import State

from .conftest import Processes, Seen


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


def test_a_process_that_is_killed_between_two_tasks_fails_none(seen: Seen) -> None:
    @task
    def where() -> int:
        return os.getpid()

    @flow(task_runner=ProcessPoolTaskRunner(1))
    def f() -> tuple[int, int]:
        first = where.submit().result()
        os.kill(first, signal.SIGKILL)
        eventually(lambda: not is_alive(first))
        return first, where.submit().result()

    first, second = f()
    assert first != second


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
    child = processes.start(processes.take(run.id), lease_ms=2_000)
    eventually(mark.exists)
    processes.change(run.id, State("Cancelling"))
    child.end()
    assert processes.seen.run(run.id).state.name == "Cancelled"
    assert processes.seen.tasks(run.id)["work-0"]["state"]["name"] == "Cancelled"
    assert mark.with_name("running.cleaned").exists()


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


def test_a_function_elsewhere_waits_for_a_store_that_is_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: list[Any] = []
    with EmbeddedStore(tmp_path) as server:
        relay = Relay(lambda _: None, server.url)
        server.stop()
        asking = threading.Thread(target=lambda: answers.append(relay.execute("DBSIZE")))
        asking.start()
        eventually(lambda: "trying again" in caplog.text)
        server.start()
        asking.join()
        relay.close()
    assert answers == [0]
    assert capsys.readouterr().out == ""  # that is the program's own


def test_a_function_elsewhere_waits_no_longer_than_it_is_to(tmp_path: Path) -> None:
    relay = Relay(lambda _: None, f"unix://{tmp_path}/nothing.sock", patience=0.01)
    with pytest.raises(StoreUnavailable):
        relay.execute("DBSIZE")
    relay.close()
