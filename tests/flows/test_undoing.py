"""What a run without a process did is undone by another one: newest first, whatever dies."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.waiting import eventually
from upshot.flows.runs.flowrun import Undo
from upshot.flows.states import State
from upshot.services.scheduler.pauses import Pauses
from upshot.services.scheduler.unfinished import Unfinished

from .conftest import Processes
from .told import HOOKS, ORDER, STEPS, UNDONE, act, cancel, end_of, is_open, lines


def test_a_suspended_run_is_undone_before_it_is_cancelled(
    processes: Processes, tmp_path: Path
) -> None:
    run, _ = processes.execute(processes.module(ORDER) + ":f")
    assert run.state.name == "Suspended"
    done = lines(tmp_path)
    assert done == ["before", "a", "b.inner", "b", "kept", "c"]
    waiting = cancel(processes, run)
    assert waiting.state.name == "AwaitingUndo"
    assert waiting.state.message == "by hand; what its open transaction did is undone first"
    assert processes.go(run.id) == 1
    ended = processes.seen.run(run.id)
    assert (ended.state.name, ended.state.message, ended.undo) == ("Cancelled", "by hand", None)
    assert lines(tmp_path)[6:] == UNDONE
    states = {
        record["task"]: record["state"]["name"] for record in processes.seen.tasks(run.id).values()
    }
    assert states == {"step": "RolledBack", "outer": "RolledBack", "inner": "RolledBack"}
    names = [event["resource"]["state"] for event in processes.seen.events("flow-run.")]
    assert names == [
        "Scheduled", "Pending", "Running", "Suspended",
        "AwaitingUndo", "Pending", "Undoing", "Cancelled",
    ]  # fmt: skip
    assert ended.attempt == 1
    assert not is_open(processes)


@pytest.mark.parametrize("where", ["before-c", "after-c", "before-b.inner", "after-a"])
def test_undoing_goes_on_after_a_kill(processes: Processes, tmp_path: Path, where: str) -> None:
    run, _ = processes.execute(processes.module(ORDER) + ":f")
    (tmp_path / f"die-{where}").touch()
    cancel(processes, run)
    assert processes.go(run.id) == -signal.SIGKILL
    again = end_of(processes, run, -9)
    assert again.state.name == "AwaitingUndo"
    assert again.undo == Undo("Cancelled", "by hand", deaths=1)
    processes.go(run.id)
    assert processes.seen.run(run.id).state.name == "Cancelled"
    told = lines(tmp_path)[6:]
    assert list(dict.fromkeys(told)) == UNDONE
    # A hook that was under way is called again, one that ran to its end is not.
    name = where.partition("-")[2]
    twice = [f"undo {name} of 7"] if where.startswith("after") else []
    assert [line for line in UNDONE if told.count(line) > 1] == twice


def test_a_run_that_was_undone_begins_anew_when_it_is_retried(
    processes: Processes, tmp_path: Path
) -> None:
    run, _ = processes.execute(processes.module(ORDER) + ":f")
    cancel(processes, run)
    processes.go(run.id)
    again = processes.retry(run.id)
    assert again.state.name == "Suspended"
    assert lines(tmp_path)[11:] == ["a", "b.inner", "b", "c"]  # what was committed is there
    act(processes, lambda runs, _: runs.resume(run.id))
    processes.go(run.id)
    assert processes.seen.run(run.id).result == "done"


def test_a_run_that_nobody_resumed_fails_once_it_is_undone(
    processes: Processes, tmp_path: Path
) -> None:
    source = ORDER.replace("    wait()\n", "    suspend_flow_run(timeout=0.01)\n")
    run, _ = processes.execute(processes.module(source) + ":f")
    time.sleep(0.02)  # longer than the pause may take
    act(processes, lambda _, store: Pauses(store, 1000).expire())
    assert processes.seen.run(run.id).state.name == "AwaitingUndo"
    processes.go(run.id)
    ended = processes.seen.run(run.id)
    assert (ended.state.name, ended.state.message[:16]) == ("Failed", "FlowPauseTimeout")
    assert lines(tmp_path)[6:] == UNDONE


def test_a_crashed_run_waits_for_a_retry_and_is_undone_when_none_comes(
    processes: Processes, tmp_path: Path
) -> None:
    def look(grace_ms: int) -> str:
        act(processes, lambda _, store: Unfinished(store, 1000, grace_ms).look())
        return processes.seen.run(run.id).state.name

    (tmp_path / "die-in").touch()
    run = processes.create(processes.module(ORDER) + ":f")
    code = processes.go(run.id)
    assert end_of(processes, run, code).state.name == "Crashed"
    assert look(60_000) == "Crashed"
    assert look(0) == "AwaitingUndo"
    processes.go(run.id)
    ended = processes.seen.run(run.id)
    assert ended.state.name == "Cancelled"
    assert ended.state.message == "nobody retried it; it was Crashed"
    assert lines(tmp_path)[6:] == UNDONE
    assert look(0) == "Cancelled"


def test_a_run_whose_process_did_not_stop_is_undone_by_another(
    processes: Processes, tmp_path: Path
) -> None:
    (tmp_path / "die-in").touch()
    run = processes.create(processes.module(ORDER) + ":f")
    taken = processes.take(run.id)
    code, _ = processes.start(taken).end()
    processes.change(run.id, State("Cancelling"))
    assert end_of(processes, run, code).state.name == "AwaitingUndo"
    processes.go(run.id)
    assert processes.seen.run(run.id).state.name == "Cancelled"
    assert lines(tmp_path)[6:] == UNDONE


PARTS = (
    STEPS
    + HOOKS
    + """
@task
def tick():
    pass

@flow
def part(name):
    with transaction() as txn:
        txn.set("order", name)
        step(name)
        die_at("in")
        while True:  # until the run is paused
            tick()
            time.sleep(0.02)

@flow
def f():
    with transaction() as txn:
        txn.set("order", "whole")
        step("first")
        part("in part")
"""
)


@pytest.mark.parametrize("dies", [False, True])
def test_parts_of_a_run_are_undone_with_it(
    processes: Processes, tmp_path: Path, dies: bool
) -> None:
    run = processes.create(processes.module(PARTS) + ":f")
    if dies:
        (tmp_path / "die-in").touch()
    child = processes.start(processes.take(run.id))
    eventually(lambda: (tmp_path / "told").exists() and len(lines(tmp_path)) == 2)
    if not dies:
        act(processes, lambda runs, _: runs.pause(run.id))
    code, _ = child.end()
    if dies:
        end_of(processes, run, code)
        act(processes, lambda runs, _: runs.undo(run.id, "by hand"))
    else:
        cancel(processes, run)
    (tmp_path / "die-before-first").touch()
    assert processes.go(run.id) == -signal.SIGKILL
    end_of(processes, run, -9)
    processes.go(run.id)
    assert lines(tmp_path)[2:] == ["undo in part of in part", "undo first of whole"]
    whole, part = processes.seen.runs()
    assert (whole.state.name, part.state.name) == ("Cancelled", "Cancelled")
    assert not is_open(processes)


METHODS = (
    STEPS
    + HOOKS
    + """
from abc import ABC

class Shop(ABC):
    @task
    def sell(self, what):
        note(what)

    @sell.on_rollback
    def undo_sell(txn):
        note("undo sell")

    @staticmethod
    @task
    def pack(what):
        note(what)

    @pack.on_rollback if hasattr(pack, "on_rollback") else pack.__func__.on_rollback
    def undo_pack(txn):
        note("undo pack")

@step.on_rollback
async def undo_late(txn):
    note("undo late")

@flow
async def f():
    async with transaction():
        Shop().sell("a")
        Shop.pack("b")
        step("c")
        await suspend_flow_run()
"""
)


def test_tasks_of_classes_and_hooks_that_are_coroutines_are_found(
    processes: Processes, tmp_path: Path
) -> None:
    run, _ = processes.execute(processes.module(METHODS) + ":f")
    cancel(processes, run)
    processes.go(run.id)
    assert processes.seen.run(run.id).state.message == "by hand"
    assert lines(tmp_path) == [
        "a", "b", "c",
        "undo late", "undo c of none", "undo pack", "undo sell",
    ]  # fmt: skip
