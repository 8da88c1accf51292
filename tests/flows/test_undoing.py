"""What a run without a process did is undone by another one: newest first, whatever dies."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from upshot.events.store import Store
from upshot.flows.exceptions import NotPausable, NotUndoable
from upshot.flows.runs.flowrun import FlowRun, Undo, new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.runs.transitions import create_arguments
from upshot.flows.runs.undoing import died
from upshot.flows.states import State
from upshot.services.endings import Loss, settle
from upshot.services.scheduler.pauses import Pauses
from upshot.services.scheduler.unfinished import Unfinished

from .conftest import Processes, eventually

STEPS = """
import os, signal, time
from pathlib import Path
from upshot import flow, get_transaction, suspend_flow_run, task, transaction
here = Path(__file__).parent

def note(word):
    with open(here / "told", "a") as file:
        file.write(word + "\\n")

def die_at(where):
    if (here / f"die-{where}").exists():
        (here / f"die-{where}").unlink()
        time.sleep(0.1)  # for what was done to be written
        os.kill(os.getpid(), signal.SIGKILL)

@task
def step(name):
    get_transaction().set("name", name)
    note(name)

@step.on_rollback
def undo(txn):
    die_at(f"before-{txn.get('name')}")
    note(f"undo {txn.get('name')} of {txn.get('order', 'none')}")
    die_at(f"after-{txn.get('name')}")

@task
def outer(name):
    get_transaction().set("name", name)
    step.with_options(name="inner")(f"{name}.inner")
    note(name)

@outer.on_rollback
def undo(txn):
    note(f"undo outer {txn.get('name')}")

def undo_block(txn):
    note(f"undo block {txn.get('order')}")

def wait():
    die_at("in")
    suspend_flow_run()
"""

ORDER = """
@flow
def f():
    step("before")
    with transaction(on_rollback=[undo_block]) as txn:
        txn.set("order", 7)
        step("a")
        with transaction() as inner:
            outer("b")
            with transaction(commit_mode="EAGER"):
                step("kept")
        step("c")
        wait()
        step("never")
    return "done"
"""

UNDONE = [
    "undo block 7", "undo c of 7", "undo outer b", "undo b.inner of 7", "undo a of 7",
]  # fmt: skip


def lines(folder: Path) -> list[str]:
    return (folder / "told").read_text().split("\n")[:-1]


def act(processes: Processes, what: Callable[[Runs, Store], Awaitable[Any]]) -> Any:
    """Do something as a service does it."""

    async def acting() -> Any:
        store = Store(processes.seen.store.url)
        try:
            return await what(Runs(store), store)
        finally:
            await store.close()

    return asyncio.run(acting())


def cancel(processes: Processes, run: FlowRun) -> FlowRun:
    cancelled: FlowRun = act(processes, lambda runs, _: runs.cancel(run.id, "by hand"))
    return cancelled


def end_of(processes: Processes, run: FlowRun, code: int) -> FlowRun:
    """Tell of the end of a run's process as a worker does."""
    loss = f"its process ended with {code}"
    epoch = processes.seen.run(run.id).epoch
    act(processes, lambda runs, store: settle(store, runs, run.id, epoch, Loss.ENDED, loss))
    return processes.seen.run(run.id)


def is_open(processes: Processes) -> bool:
    return bool(processes.seen.store.execute("EXISTS", processes.seen.store.keys("open")))


def test_a_suspended_run_is_undone_before_it_is_cancelled(
    processes: Processes, tmp_path: Path
) -> None:
    run, _ = processes.execute(processes.module(STEPS + ORDER) + ":f")
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
    run, _ = processes.execute(processes.module(STEPS + ORDER) + ":f")
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
    run, _ = processes.execute(processes.module(STEPS + ORDER) + ":f")
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
    source = STEPS + ORDER.replace("wait()", "suspend_flow_run(timeout=0.01)")
    run, _ = processes.execute(processes.module(source) + ":f")
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
    run = processes.create(processes.module(STEPS + ORDER) + ":f")
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
    run = processes.create(processes.module(STEPS + ORDER) + ":f")
    taken = processes.take(run.id)
    code, _ = processes.start(taken).end()
    processes.change(run.id, State("Cancelling"))
    assert end_of(processes, run, code).state.name == "AwaitingUndo"
    processes.go(run.id)
    assert processes.seen.run(run.id).state.name == "Cancelled"
    assert lines(tmp_path)[6:] == UNDONE


PARTS = """
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


@pytest.mark.parametrize("dies", [False, True])
def test_parts_of_a_run_are_undone_with_it(
    processes: Processes, tmp_path: Path, dies: bool
) -> None:
    run = processes.create(processes.module(STEPS + PARTS) + ":f")
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


LOCAL = """
@flow
def f():
    @task
    def local():
        note("local")

    @local.on_rollback
    def undo(txn):
        note("undo local")

    with transaction():
        step("a")
        local()
        wait()
"""


def test_what_only_the_flow_itself_can_undo_is_said_and_left_to_a_retry(
    processes: Processes, tmp_path: Path
) -> None:
    run, _ = processes.execute(processes.module(STEPS + LOCAL) + ":f")
    cancel(processes, run)
    processes.go(run.id)
    ended = processes.seen.run(run.id)
    assert ended.state.name == "Cancelled"
    assert ended.state.message == (
        "by hand; what its open transaction did is not undone: local-0: no task that stands in a "
        f"module is called 'local'; `upshot run retry {run.name}` has the flow's own code undo it"
    )
    assert lines(tmp_path) == ["a", "local"]  # nothing older is undone before it
    failed = processes.retry(run.id)
    assert (failed.state.name, failed.stuck) == ("Failed", "")
    assert lines(tmp_path)[2:] == ["undo local", "undo a of none"]


def test_code_that_is_gone_is_said_and_tried_no_more(processes: Processes, tmp_path: Path) -> None:
    path = processes.module(STEPS + ORDER)
    run, _ = processes.execute(f"{path}:f")
    Path(path).rename(tmp_path / "elsewhere.py")
    cancel(processes, run)
    processes.go(run.id)
    ended = processes.seen.run(run.id)
    assert (
        "not undone: the flow can't be loaded: EntrypointNotFound: there is no file"
        in ended.state.message
    )
    act(processes, lambda _, store: Unfinished(store, 1000, 0).look())
    assert processes.seen.run(run.id).version == ended.version
    Path(tmp_path / "elsewhere.py").rename(path)
    act(processes, lambda runs, _: runs.undo(run.id, "by hand"))
    processes.go(run.id)
    assert lines(tmp_path)[6:] == UNDONE


def test_a_run_that_is_to_be_undone_is_neither_cancelled_nor_paused(processes: Processes) -> None:
    run, _ = processes.execute(processes.module(STEPS + ORDER) + ":f")
    waiting = cancel(processes, run)
    assert cancel(processes, run).version == waiting.version
    with pytest.raises(NotPausable):
        act(processes, lambda runs, _: runs.pause(run.id))
    moved = act(processes, lambda runs, _: runs.change(run.id, State("Cancelled", "enough")))
    assert (moved.state.message, moved.undo) == ("enough", None)


def test_a_run_by_hand_says_that_it_is_not_undone_and_what_does_it(processes: Processes) -> None:
    run, _ = processes.execute(processes.module(STEPS + ORDER) + ":f")
    processes.seen.store.execute(
        "HSET", processes.seen.store.keys("run", run.id), "doc", by_hand(run)
    )
    message = cancel(processes, run).state.message
    assert message == (
        "by hand; what its open transaction did is not undone, as it was started by hand: "
        f"`upshot run undo {run.name} --code FILE.py:FLOW` does that"
    )


def by_hand(run: FlowRun) -> bytes:
    """Return the document of a run as one that no worker started has it."""
    arguments = create_arguments(replace(run, pool=""))
    doc = arguments[arguments.index("doc") + 1]
    assert isinstance(doc, bytes)
    return doc


METHODS = """
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


def test_tasks_of_classes_and_hooks_that_are_coroutines_are_found(
    processes: Processes, tmp_path: Path
) -> None:
    run, _ = processes.execute(processes.module(STEPS + METHODS) + ":f")
    cancel(processes, run)
    processes.go(run.id)
    assert processes.seen.run(run.id).state.message == "by hand"
    assert lines(tmp_path) == [
        "a", "b", "c",
        "undo late", "undo c of none", "undo pack", "undo sell",
    ]  # fmt: skip


NEVER_LEFT = """
@flow
def f():
    transaction().__enter__()
    return "done"
"""


def test_a_run_that_completed_is_not_undone(processes: Processes) -> None:
    run, _ = processes.execute(processes.module(STEPS + NEVER_LEFT) + ":f")
    assert run.state.name == "Completed"
    with pytest.raises(NotUndoable, match="has completed"):
        act(processes, lambda runs, _: runs.undo(run.id))
    act(processes, lambda _, store: Unfinished(store, 1000, 0).look())
    assert processes.seen.run(run.id).version == run.version
    assert not is_open(processes)


def test_only_what_ended_and_is_open_can_be_undone(processes: Processes) -> None:
    path = processes.module(STEPS + ORDER)
    run, _ = processes.execute(f"{path}:f")
    with pytest.raises(NotUndoable, match=r"is Suspended; cancel it, and it is undone"):
        act(processes, lambda runs, _: runs.undo(run.id))
    cancel(processes, run)
    processes.go(run.id)
    with pytest.raises(NotUndoable, match="has no open transaction"):
        act(processes, lambda runs, _: runs.undo(run.id))


def test_undoing_that_kills_its_process_is_given_up_at_last() -> None:
    run, undo = new_run("f", state=State("Undoing"), pool="p"), Undo("Cancelled", "by hand")
    waits = []
    while True:
        change = died(run, undo, "killed", 1000)
        if change.state.ended:
            break
        stored = change.fields["undo"]
        assert isinstance(stored, bytes)
        undo = Undo.from_json(stored)
        waits.append(max(0, change.due_ms - 1000) / 1000)
    assert waits == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert "is not undone: 10 processes died of it: killed" in change.state.message
