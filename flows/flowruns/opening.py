"""Opens the run of a flow that is called: one of its own by hand, or a part of another one."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from upshot.events.ids import derived_id
from upshot.events.store import SyncStore

from ..calls.keys import inputs_key
from ..calls.parameters import as_stored
from ..context import Here
from ..definitions.tagging import with_current
from ..joining.store import join
from ..journal.held import HeldRun
from ..journal.journal import Journal
from ..logs.capturing import capture
from ..results.formats import ResultFiles
from ..results.of_flows import restored
from ..runs.flowrun import FlowRun, new_run
from ..runs.transitions import create_arguments, transition_arguments
from ..states import State, StateType
from .execution import Execution

if TYPE_CHECKING:
    from ..definitions.flowdef import Flow


@contextmanager
def by_hand(
    flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[Execution]:
    """Create a run that no worker takes, in the store that this program joins."""
    bound = flow.bind(args, kwargs)
    joined = join()
    run = _new_run(flow, bound)
    store = SyncStore(joined.url)
    store.call("create_run", *create_arguments(run, lease_ms=joined.lease_ms))
    journal = Journal(store, lease_ms=joined.lease_ms)
    execution = Execution(journal.hold(run), journal, ResultFiles(joined.results))
    execution.context.alone = _is_program()
    if execution.context.alone:
        _set_aside()
    try:
        with capture(execution.context, strays=False):
            yield execution
    finally:
        journal.close()
        store.close()


def _is_program() -> bool:
    """Tell whether this is a program's main thread, and no session that a person works in."""
    session = hasattr(sys, "ps1") or sys.flags.interactive
    return threading.current_thread() is threading.main_thread() and not session


def _set_aside() -> None:
    """Have the garbage collector leave alone, from now on, what the program has made so far.

    A map makes enough new objects for all of it to be looked through several times.
    """
    if not gc.get_freeze_count():  # else somebody has done so
        gc.freeze()


def part_of(
    place: Here, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Execution | State:
    """Create a run within the run that calls, or go on with the one of an earlier attempt.

    One that completed then, and whose result is known, is not run again: its state is returned.
    """
    bound = flow.bind(args, kwargs)
    outer = place.context
    key = place.scope.numbered(f"flow:{flow.name}:{inputs_key(bound)}")
    passed = outer.again.passed(flow.name)
    run_id = derived_id("flow-run", outer.id, place.scope.owner, key, *passed)
    held = _take(outer.journal, _new_run(flow, bound, run_id, outer.flow_run))
    while held.run.state.completed:
        done = restored(outer.journal, flow, held.run)
        outer.journal.release(held)
        if done is not None:
            return done
        run_id = derived_id("flow-run", run_id, "again")
        held = _take(outer.journal, _new_run(flow, bound, run_id, outer.flow_run))
    return Execution(held, outer.journal, outer.files, parent=outer)


def _take(journal: Journal, run: FlowRun) -> HeldRun:
    """Create a run, or take one that an earlier attempt of its parent left unfinished."""
    created, _, _ = journal.call("create_run", *create_arguments(run, lease_ms=journal.lease_ms))
    if created:
        return journal.hold(run)
    there = journal.read(run.id)
    if there is None or there.state.completed:
        return journal.hold(there or run)
    # Scheduling it from outside fences whatever process may still believe to have it.
    state = State("AwaitingRetry", f"was {there.state.name}")
    goes_on = {"resumed": b"1"} if there.state.type is StateType.PAUSED else None
    journal.call("transition", *transition_arguments(there, state, own=False, fields=goes_on))
    return journal.hold(journal.read(run.id) or there)


def _new_run(
    flow: Flow[..., Any],
    bound: dict[str, Any],
    run_id: str | None = None,
    parent: FlowRun | None = None,
) -> FlowRun:
    return new_run(
        flow.name,
        state=State("Pending"),
        run_id=run_id,
        name=flow.run_name(bound),
        parameters=as_stored(bound),
        tags=with_current(flow.tags),
        parent=parent and parent.id,
        caused_by=parent and parent.caused_by,
        causation=parent and parent.causation,
    )
