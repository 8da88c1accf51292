"""Flow processes as workers start them: they end every run, and what is killed goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.waiting import eventually
from upshot import runtime
from upshot.events.exceptions import StaleEpoch
from upshot.flows.flowruns.process import execute, preload
from upshot.flows.journal.journal import EXIT_LOST
from upshot.flows.runs.events import deployment_resource
from upshot.flows.states import State

from .conftest import Processes, Seen

SIMPLE = """
from datetime import date
from upshot import flow, task

@flow
def f(day: date, n: int = 1):
    return [day.year, n]

@flow
async def g():
    print("from g")

not_a_flow = 3

def plain(): ...
"""


def test_a_run_goes_from_its_parameters_to_its_result(processes: Processes) -> None:
    path = processes.module(SIMPLE)
    run, code = processes.execute(f"{path}:f", parameters={"day": "2026-03-04", "n": "2"})
    assert code == 0
    assert run.state.name == "Completed"
    assert run.result == [2026, 2]
    names = processes.seen.names()
    assert names == [
        f"flow-run.{each}" for each in ("scheduled", "pending", "running", "completed")
    ]


def test_a_coroutine_is_a_flow_as_well(processes: Processes) -> None:
    run, code = processes.execute(processes.module(SIMPLE) + ":g")
    assert (code, run.state.name, run.result) == (0, "Completed", None)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        (":f", {"day": "soon", "m": 1}, "InvalidParameters: day: Input should be a valid date"),
        (":f", {}, "InvalidParameters: day: Missing required argument"),
        (":f", {"day": "2026-03-04", "m": 1}, "m: Unexpected keyword argument"),
        (":h", {}, "there is no h in it; its flows are f, g"),
        (":plain", {}, "no flow; decorate it with @flow"),
        ("x.py:f", {}, "there is no file"),
        ("", {}, "is not of the form path.py:function"),
    ],
)
def test_what_can_not_run_fails_and_says_why(
    processes: Processes, name: str, parameters: dict[str, object], message: str
) -> None:
    run, code = processes.execute(processes.module(SIMPLE) + name, parameters=parameters)
    assert (code, run.state.name) == (1, "Failed")
    assert message in run.state.message


def test_what_a_run_became_since_it_was_taken_holds(processes: Processes) -> None:
    made = processes.create(processes.module(SIMPLE) + ":f", parameters={"day": "2026-03-04"})
    taken = processes.take(made.id)
    processes.change(made.id, State("Cancelling", "too late"))
    assert execute(processes.seen.store, taken, 15_000) == 1
    run = processes.seen.run(made.id)
    assert (run.state.name, run.attempt) == ("Cancelled", 0)


@pytest.mark.parametrize(
    "source", ["1 / 0", "import not_there_at_all", "raise SystemExit(3)", "x ="]
)
def test_a_module_that_breaks_fails_the_run_with_its_error(
    processes: Processes, source: str
) -> None:
    path = processes.module(source)
    preload(f"{path}:f")  # the warm parent lives on
    run, code = processes.execute(f"{path}:f")
    assert (code, run.state.name) == (1, "Failed")
    assert "Error" in run.state.message or "SystemExit: 3" in run.state.message
    assert any("Traceback" in message for message in processes.seen.messages(run.id))


MAP = """
import os, time
from pathlib import Path
from upshot import flow, task
from upshot.flows import ThreadPoolTaskRunner

here = Path(__file__).parent

@task
def item(n: int) -> int:
    with open(here / "bodies", "a") as file:
        file.write(f"{n}\\n")
    while 200 <= n < 300 and not (here / "go").exists():
        time.sleep(0.01)
    return n * n

@task
def total(numbers: list[int]) -> int:
    return sum(numbers)

@flow
def part(n: int) -> list[int]:
    return item.map([1000 + n]).result()

@flow(task_runner=ThreadPoolTaskRunner(max_workers=4))
def f() -> int:
    first = part(1)
    return total(item.map(range(300))) + sum(first)
"""


def test_a_killed_map_goes_on_where_it_stopped(processes: Processes, tmp_path: Path) -> None:
    seen = processes.seen
    run = processes.create(processes.module(MAP) + ":f")
    process = processes.start(processes.take(run.id))
    eventually(lambda: seen.names().count("task-run.completed") == 201)
    process.send_signal(signal.SIGKILL)
    process.end()
    processes.change(run.id, State("Crashed", "killed by signal 9"))
    done = {
        record["name"] for record in seen.tasks(run.id).values()
        if record["state"]["name"] == "Completed"
    }  # fmt: skip
    before = (tmp_path / "bodies").read_text().split()
    assert len(done) == 200
    (tmp_path / "go").touch()
    again = processes.retry(run.id)
    assert (again.state.name, again.attempt) == ("Completed", 2)
    assert again.result == sum(n * n for n in range(300)) + 1001**2
    bodies = (tmp_path / "bodies").read_text().split()
    # What was recorded as done did not run again; what was under way at the kill did.
    assert len(bodies) - len(before) == 300 - len(done)
    assert len(before) - len(done) - 1 <= 4
    records = seen.tasks(run.id)
    assert len(records) == 301
    assert {record["state"]["name"] for record in records.values()} == {"Completed"}
    completed = [event["resource"]["id"] for event in seen.events("task-run.completed")]
    assert len(completed) == len(set(completed)) == 302


def test_a_run_that_another_process_took_can_not_be_written_any_more(
    processes: Processes, tmp_path: Path
) -> None:
    seen = processes.seen
    run = processes.create(processes.module(MAP) + ":f")
    process = processes.start(processes.take(run.id), lease_ms=3000)
    eventually(lambda: seen.names().count("task-run.completed") > 20)
    process.send_signal(signal.SIGSTOP)
    processes.change(run.id, State("Crashed", "its worker died"))
    written = len(seen.events())
    process.send_signal(signal.SIGCONT)
    code, errors = process.end()
    assert code == EXIT_LOST
    assert "this process ends now" in errors
    assert len(seen.events()) == written
    assert len((tmp_path / "bodies").read_text().split()) < 301


LARGE = """
from pathlib import Path
from upshot import flow, task

here = Path(__file__).parent

@task
def large(size: int) -> list[str]:
    with open(here / "bodies", "a") as file:
        file.write(f"{size}\\n")
    return ["x" * size]

@flow
def part() -> int:
    return len(large(70_000)[0])

@flow
def f() -> int:
    found = len(large(300_000)[0]) + part()
    if not (here / "go").exists():
        raise OSError("not yet")
    return found
"""


def test_large_results_are_checkpoints_too_while_their_files_are_there(
    processes: Processes, tmp_path: Path
) -> None:
    run, _ = processes.execute(processes.module(LARGE) + ":f")
    assert run.state.name == "Failed"
    files = sorted(
        (tmp_path / "data" / "results").rglob("*.json"), key=lambda path: path.stat().st_size
    )
    assert [path.stat().st_size for path in files] == [70_004, 300_004]
    assert processes.seen.tasks(run.id)["large-0"]["result"] is None
    again = processes.retry(run.id)
    assert again.state.name == "Failed"
    assert (tmp_path / "bodies").read_text() == "300000\n70000\n"
    files[1].unlink()
    (tmp_path / "go").touch()
    last = processes.retry(run.id)
    assert (last.state.name, last.result, last.attempt) == ("Completed", 370_000, 3)
    assert (tmp_path / "bodies").read_text() == "300000\n70000\n300000\n"
    assert any("its result is gone" in line for line in processes.seen.messages(run.id))
    assert len(processes.seen.runs()) == 2


def test_a_run_that_was_cancelled_before_it_began_does_not_run(processes: Processes) -> None:
    run = processes.create(processes.module(SIMPLE) + ":g")
    taken = processes.take(run.id)
    processes.change(run.id, State("Cancelling"))
    processes.start(taken).end()
    assert processes.seen.run(run.id).state.name == "Cancelled"
    assert processes.seen.names("flow-run.running") == []


def test_a_run_of_another_epoch_is_left_alone(processes: Processes) -> None:
    run = processes.create(processes.module(SIMPLE) + ":g")
    taken = processes.take(run.id)
    processes.change(run.id, State("Scheduled"))
    process = processes.start(taken)
    code, _ = process.end()
    assert code == EXIT_LOST
    assert processes.seen.run(run.id).state.name == "Scheduled"


def test_a_run_survives_a_restart_of_the_store(
    processes: Processes, seen: Seen, embedded: object, tmp_path: Path
) -> None:
    from upshot.events.embedded import EmbeddedStore

    assert isinstance(embedded, EmbeddedStore)
    run = processes.create(processes.module(MAP) + ":f")
    process = processes.start(processes.take(run.id))
    eventually(lambda: seen.names().count("task-run.completed") > 20)
    assert embedded.pid is not None
    os.kill(embedded.pid, signal.SIGKILL)
    embedded.wait(30)
    eventually(lambda: "trying again until it works" in process.errors())
    embedded.start()
    (tmp_path / "go").touch()
    code, errors = process.end()
    assert code == 0, errors
    ended = seen.run(run.id)
    assert ended.result == sum(n * n for n in range(300)) + 1001**2
    completed = [event["resource"]["id"] for event in seen.events("task-run.completed")]
    assert len(completed) == len(set(completed)) == 302


def test_the_epoch_of_a_taken_run_is_checked_in_the_store(processes: Processes) -> None:
    run = processes.create(processes.module(SIMPLE) + ":g")
    taken = processes.take(run.id)
    processes.change(run.id, State("Crashed"))
    with pytest.raises(StaleEpoch):
        processes.seen.store.call("record_tasks", run.id, taken.epoch, 1)


def test_code_that_runs_is_told_its_deployment(processes: Processes) -> None:
    path = processes.module(
        """
        from upshot import flow, runtime

        @flow
        def f(x):
            told = runtime.deployment
            return [told.id, told.name, told.flow_run_id, told.parameters]
        """
    )
    run, _ = processes.execute(f"{path}:f", deployment="f/daily", parameters={"x": 1})
    identity = deployment_resource("f/daily")["id"].removeprefix("deployment.")
    assert run.result == [identity, "f/daily", run.id, {"x": 1}]
    assert (runtime.deployment.id, runtime.deployment.parameters) == (None, {})
