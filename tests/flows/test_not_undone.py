"""What can't be undone by another process, or is not to be, is said and left as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from upshot.flows.exceptions import NotPausable, NotUndoable
from upshot.flows.runs.flowrun import FlowRun, Undo, new_run
from upshot.flows.runs.transitions import create_arguments
from upshot.flows.runs.undoing import died
from upshot.flows.states import State
from upshot.services.scheduler.unfinished import Unfinished

from .conftest import Processes
from .told import HOOKS, ORDER, STEPS, UNDONE, act, cancel, is_open, lines

LOCAL = (
    STEPS
    + HOOKS
    + """
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
)


def test_what_only_the_flow_itself_can_undo_is_said_and_left_to_a_retry(
    processes: Processes, tmp_path: Path
) -> None:
    run, _ = processes.execute(processes.module(LOCAL) + ":f")
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
    path = processes.module(ORDER)
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
    run, _ = processes.execute(processes.module(ORDER) + ":f")
    waiting = cancel(processes, run)
    assert cancel(processes, run).version == waiting.version
    with pytest.raises(NotPausable):
        act(processes, lambda runs, _: runs.pause(run.id))
    moved = act(processes, lambda runs, _: runs.change(run.id, State("Cancelled", "enough")))
    assert (moved.state.message, moved.undo) == ("enough", None)


def test_a_run_by_hand_says_that_it_is_not_undone_and_what_does_it(processes: Processes) -> None:
    run, _ = processes.execute(processes.module(ORDER) + ":f")
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


NEVER_LEFT = (
    STEPS
    + HOOKS
    + """
@flow
def f():
    transaction().__enter__()
    return "done"
"""
)


def test_a_run_that_completed_is_not_undone(processes: Processes) -> None:
    run, _ = processes.execute(processes.module(NEVER_LEFT) + ":f")
    assert run.state.name == "Completed"
    with pytest.raises(NotUndoable, match="has completed"):
        act(processes, lambda runs, _: runs.undo(run.id))
    act(processes, lambda _, store: Unfinished(store, 1000, 0).look())
    assert processes.seen.run(run.id).version == run.version
    assert not is_open(processes)


def test_only_what_ended_and_is_open_can_be_undone(processes: Processes) -> None:
    path = processes.module(ORDER)
    run, _ = processes.execute(f"{path}:f")
    with pytest.raises(NotUndoable, match=r"is Suspended; cancel it, and it is undone"):
        act(processes, lambda runs, _: runs.undo(run.id))
    cancel(processes, run)
    processes.go(run.id)
    with pytest.raises(NotUndoable, match="has no open transaction"):
        act(processes, lambda runs, _: runs.undo(run.id))


def test_what_an_older_version_left_open_is_said_and_left_to_a_retry(processes: Processes) -> None:
    """It has told of the block's stage alone."""
    run, _ = processes.execute(processes.module(ORDER) + ":f")
    processes.change(run.id, State("Crashed"))
    store = processes.seen.store
    store.execute("DEL", store.keys("open"), store.keys("open", run.id))
    transactions = store.keys("transactions", run.id)
    for field in store.execute("HKEYS", transactions):
        if field.endswith(b"/block"):
            store.execute("HDEL", transactions, field)
    act(processes, lambda runs, _: runs.undo(run.id, "by hand"))
    processes.go(run.id)
    state = processes.seen.run(run.id).state
    assert (state.name, "it was begun by an older version" in state.message) == ("Cancelled", True)
    assert f"`upshot run retry {run.name}` has the flow's own code undo it" in state.message


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
