"""Transactions whose process died or left: gone on with by another one."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from upshot.flows.states import State

from .conftest import Processes
from .told import STEPS, act, lines

CRASH = (
    STEPS
    + """
@step.on_rollback
def undo(txn):
    name = txn.get("name")
    die_at(f"before-{name}")
    note(f"undo {name}")

@step.on_commit
def done(txn):
    note(f"commit {txn.get('name')}")
    die_at("commit")

@task
def gate(needs):
    if not (here / "go").exists():
        raise ValueError("not yet")

@flow
def f():
    with transaction() as txn:
        step("a")
        step("b")
        die_at("in")
        step("c")
        gate(1)
    die_at("after")
    return "done"
"""
)


def crash(processes: Processes, folder: Path, *where: str) -> str:
    """Let the flow run die in these places, and retry it after each."""
    for name in where:
        (folder / f"die-{name}").touch()
    run = processes.create(processes.module(CRASH) + ":f")
    code, errors = processes.start(processes.take(run.id)).end()
    assert code == -signal.SIGKILL, errors
    for _ in where:
        processes.change(run.id, State("Crashed", "killed"))
        processes.retry(run.id)
    return run.id


def test_a_block_whose_process_died_goes_on(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    run_id = crash(processes, tmp_path, "in", "after")
    assert processes.seen.run(run_id).result == "done"
    assert lines(tmp_path) == ["a", "b", "c", "commit a", "commit b", "commit c"]


def test_what_was_done_before_the_crash_is_undone_after_it(
    processes: Processes, tmp_path: Path
) -> None:
    run_id = crash(processes, tmp_path, "in")
    run = processes.seen.run(run_id)
    assert (run.state.name, run.state.message) == ("Failed", "ValueError: not yet")
    assert lines(tmp_path) == ["a", "b", "c", "undo c", "undo b", "undo a"]


def test_undoing_goes_on_after_a_crash_and_nothing_is_undone_twice(
    processes: Processes, tmp_path: Path
) -> None:
    run_id = crash(processes, tmp_path, "before-b", "before-a")
    run = processes.seen.run(run_id)
    assert lines(tmp_path) == ["a", "b", "c", "undo c", "undo b", "undo a"]
    assert run.state.name == "Failed"
    (tmp_path / "go").touch()
    assert processes.retry(run_id).result == "done"
    assert lines(tmp_path)[6:] == ["a", "b", "c", "commit a", "commit b", "commit c"]


def test_a_commit_goes_on_after_a_crash(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    run_id = crash(processes, tmp_path, "commit")
    assert processes.seen.run(run_id).result == "done"
    # The process died before the store knew that the first hook was through: at least once.
    assert lines(tmp_path)[3:] == ["commit a", "commit a", "commit b", "commit c"]


def test_who_died_in_a_block_undoes_its_part_when_another_run_committed_the_key(
    processes: Processes, tmp_path: Path
) -> None:
    (tmp_path / "go").touch()
    (tmp_path / "die-in").touch()
    path = processes.module(CRASH.replace("with transaction()", 'with transaction(key="k")')) + ":f"
    first = processes.create(path)
    processes.go(first.id)
    assert lines(tmp_path) == ["a", "b"]
    second, _ = processes.execute(path)
    assert second.result == "done"
    told = lines(tmp_path)[2:]
    assert told == ["a", "b", "c", "commit a", "commit b", "commit c"]
    processes.change(first.id, State("Crashed", "killed"))
    failed = processes.retry(first.id)
    assert failed.state.message == (
        "TransactionFailed: not run: another run committed 'k' meanwhile; "
        "what was done here is undone"
    )
    assert lines(tmp_path)[8:] == ["undo b", "undo a"]
    assert processes.retry(first.id).result == "done"
    assert len(lines(tmp_path)) == 10


SUSPENDED = """
from pathlib import Path
from upshot import flow, suspend_flow_run, task, transaction
told = Path(__file__).with_name("told")

@task
def step(name):
    with told.open("a") as file:
        file.write(f"{name}\\n")

@step.on_rollback
def undo(txn):
    with told.open("a") as file:
        file.write("undo\\n")

@flow
def f(fails: bool):
    with transaction(key="k", isolation_level="SERIALIZABLE"):
        step("a")
        suspend_flow_run()
        step("b")
        if fails:
            raise ValueError("why")
"""


@pytest.mark.parametrize("fails", [False, True])
def test_a_suspended_block_goes_on_in_another_process(
    processes: Processes, tmp_path: Path, fails: bool
) -> None:
    path = processes.module(SUSPENDED)
    run, code = processes.execute(f"{path}:f", parameters={"fails": fails})
    assert (run.state.name, code) == ("Suspended", 0)
    assert lines(tmp_path) == ["a"]
    act(processes, lambda runs, _: runs.resume(run.id))
    processes.go(run.id)
    assert processes.seen.run(run.id).state.name == ("Failed" if fails else "Completed")
    assert lines(tmp_path) == ["a", "b"] + (["undo", "undo"] if fails else [])
    assert processes.seen.store.execute("HLEN", processes.seen.store.keys("locks")) == 0
