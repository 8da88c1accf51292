"""Undoes what a run has open, in a process that a worker started for that, and ends the run.

The way of it: Undoing → the flow's module → the transactions, newest first → the last state.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..calls.outcomes import explain
from ..context import Here, RunContext, Scope, standing
from ..definitions.entrypoints import load_flow
from ..exceptions import NotUndone
from ..journal.held import HeldRun
from ..journal.journal import Journal
from ..logs.capturing import capture, run_logger
from ..results.formats import ResultFiles
from ..runners.opening import OnePool
from ..runs.pausing import Change
from ..runs.transitions import transition_arguments
from ..runs.undo import Undo
from ..runs.undoing import given_up_on
from ..states import State
from ..transactions.undoing import records_of, task_run_from, undo


def undo_run(held: HeldRun, journal: Journal, files: ResultFiles, wanted: Undo) -> State:
    """Undo what the run and its parts have open, and end it; return how it ended.

    Args:
        held: the run, Pending. wanted: how it is to end.
    """
    context = RunContext(held, journal, files, OnePool())
    with capture(context, strays=True), standing(Here(context, Scope())):
        journal.transition(held, State("Undoing", wanted.message))
        change = _undone(context, wanted)
        _end_tasks(context, change.state)
        journal.transition(held, change.state, more=change.fields)
    journal.release(held)
    return held.run.state


def _undone(context: RunContext, wanted: Undo) -> Change:
    try:
        _undo(context)
    except NotUndone as error:
        run_logger().error("not undone: %s", error)
        return given_up_on(context.held.run, wanted, str(error))
    return Change(State(wanted.name, wanted.message))


def _undo(context: RunContext) -> None:
    try:
        flow = load_flow(context.held.run.entrypoint)
    except (Exception, SystemExit) as error:
        raise NotUndone(f"the flow can't be loaded: {explain(error)}") from error
    undo([context, *_parts(context)], flow.fn.__module__)


def _parts(context: RunContext) -> Iterator[RunContext]:
    """Yield the runs within this one that have something open, taken from who may have them."""
    journal = context.journal
    for part_id in journal.execute("HKEYS", journal.store.keys("open", context.id)):
        part = journal.read(part_id.decode())
        if part is None or part.id == context.id:
            continue
        if not part.state.ended:
            state = State("Cancelled", "the run that it is a part of is undone")
            journal.call("transition", *transition_arguments(part, state, own=False))
            part = journal.read(part.id) or part
        held = HeldRun(part, batch=_written(journal, part.id))
        yield RunContext(held, journal, context.files, OnePool(), parent=context)


def _written(journal: Journal, run_id: str) -> int:
    """Return how many batches were written of a run at its present epoch, or before."""
    stored = journal.execute("HGET", journal.store.keys("run", run_id), "batch") or b""
    number = stored.rpartition(b"/")[2]
    return int(number) if number.isdigit() else 0


def _end_tasks(context: RunContext, state: State) -> None:
    """End the task runs that nothing goes on with."""
    for record in records_of(context).values():
        if not State.from_dict(record["state"]).ended:
            task_run_from(context, record).enter(State(state.name, state.message))
