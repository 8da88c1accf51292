"""Undoes what a run has open, in a process that a worker started for that, and ends the run.

The way of it: Undoing → the flow's module → the transactions, newest first → the last state.
"""

from __future__ import annotations

from collections.abc import Iterator

from upshot.events.exceptions import NotFound
from upshot.events.store import SyncStore

from ..calls.outcomes import explain
from ..context import Here, RunContext, Scope, standing
from ..definitions.entrypoints import load_flow
from ..exceptions import NotUndone
from ..journal.held import HeldRun
from ..journal.journal import Journal
from ..logs.capturing import capture, run_logger
from ..results.formats import ResultFiles
from ..runners.opening import RunPool
from ..runs.flowrun import FlowRun, Undo
from ..runs.transitions import Change, transition_arguments
from ..runs.undoing import asked_here, given_up_on, is_left_open
from ..states import State
from ..taskruns.taskrun import task_run_from
from ..transactions.left_open import records_of, undo


def undo_run(
    held: HeldRun,
    journal: Journal,
    files: ResultFiles,
    wanted: Undo,
    entrypoint: str | None = None,
) -> State:
    """Undo what the run and its parts have open, and end it; return how it ended.

    Args:
        held: the run, Pending. wanted: how it is to end.
        entrypoint: of its code, where the run itself does not say that.
    """
    context = RunContext(held, journal, files, RunPool())
    with capture(context, strays=True), standing(Here(context, Scope())):
        journal.transition(held, State("Undoing", wanted.message))
        change = _undone(context, wanted, entrypoint or held.run.entrypoint)
        _end_tasks(context, change.state)
        journal.transition(held, change.state, fields=change.fields)
    journal.release(held)
    return held.run.state


def undo_here(
    store: SyncStore, run_id: str, entrypoint: str, *, lease_ms: int, results: str
) -> State:
    """Undo what a run by hand has open, in this process; return how it ended.

    Args:
        entrypoint: of its code. lease_ms: how long it counts as alive after a sign of life.
        results: folder of large results.

    Raises:
        NotUndoable: it has nothing to undo, goes on, or a worker does it.
    """
    journal = Journal(store, lease_ms=lease_ms)
    try:
        run = _read(journal, run_id)
        stages = journal.execute("HVALS", store.keys("transactions", run.id))
        owes = is_left_open(stages) or bool(journal.execute("EXISTS", store.keys("open", run.id)))
        if (change := asked_here(run, owes=owes)) is not None:
            arguments = transition_arguments(run, change.state, own=False, fields=change.fields)
            journal.call("transition", *arguments)
        run, taken = _read(journal, run_id), State("Pending", "taken by who undoes it")
        arguments = transition_arguments(run, taken, own=False, lease_ms=lease_ms)
        journal.call("transition", *arguments)
        run = _read(journal, run_id)
        assert run.undo is not None
        return undo_run(journal.hold(run), journal, ResultFiles(results), run.undo, entrypoint)
    finally:
        journal.close()


def _read(journal: Journal, run_id: str) -> FlowRun:
    run = journal.read(run_id)
    if run is None:
        raise NotFound(f"no run has the id {run_id!r}")
    return run


def _undone(context: RunContext, wanted: Undo, entrypoint: str) -> Change:
    try:
        _undo(context, entrypoint)
    except NotUndone as error:
        run_logger().error("not undone: %s", error)
        return given_up_on(context.flow_run, wanted, str(error))
    return Change(State(wanted.name, wanted.message))


def _undo(context: RunContext, entrypoint: str) -> None:
    try:
        flow = load_flow(entrypoint)
    except (Exception, SystemExit) as error:
        raise NotUndone(f"the flow can't be loaded: {explain(error)}") from error
    runs = [context, *_parts(context)]
    for run in runs:  # what a hook prints is logged as what the flow prints
        run.log_prints = bool(flow.log_prints)
    undo(runs, flow.fn.__module__)


def _parts(context: RunContext) -> Iterator[RunContext]:
    """Yield the runs within this one that have something open, taken from who may have them."""
    journal = context.journal
    for part_id in journal.execute("HKEYS", journal.keys("open", context.id)):
        part = journal.read(part_id.decode())
        if part is None or part.id == context.id:
            continue
        if not part.state.ended:
            state = State("Cancelled", "the run that it is a part of is undone")
            journal.call("transition", *transition_arguments(part, state, own=False))
            part = journal.read(part.id) or part
        held = HeldRun(part, batch=_written(journal, part.id))
        yield RunContext(held, journal, context.files, RunPool(), parent=context)


def _written(journal: Journal, run_id: str) -> int:
    """Return how many batches were written of a run at its present epoch, or before."""
    stored = journal.execute("HGET", journal.keys("run", run_id), "batch") or b""
    number = stored.rpartition(b"/")[2]
    return int(number) if number.isdigit() else 0


def _end_tasks(context: RunContext, state: State) -> None:
    """End the task runs that nothing goes on with."""
    for record in records_of(context).values():
        if not State.from_dict(record["state"]).ended:
            task_run_from(context, record).enter(State(state.name, state.message))
