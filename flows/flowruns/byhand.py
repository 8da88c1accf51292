"""Runs a flow that is called: by hand as a run of its own, in another flow as a part of that."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, aclosing, contextmanager
from typing import TYPE_CHECKING, Any

from upshot.events.ids import derived_id
from upshot.events.store import SyncStore

from ..aside import aside
from ..calls.arguments import futures_in, resolve
from ..calls.keys import inputs_key
from ..calls.parameters import as_stored
from ..context import Here, here
from ..definitions.tagging import with_current
from ..deployments.joining import join
from ..journal.held import HeldRun
from ..journal.journal import Journal
from ..logs.capturing import capture
from ..results.formats import ResultFiles
from ..results.of_flows import restored
from ..runs.flowrun import FlowRun, new_run
from ..runs.transitions import create_arguments, transition_arguments
from ..states import State, StateType
from .execution import Execution
from .flowgenerator import iterate_run, iterate_run_async

if TYPE_CHECKING:
    from ..definitions.flowdef import Flow


def run_flow(flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> State:
    """Run a function's flow to its end; return how it ended."""
    place = here()
    args, kwargs = _resolved(args, kwargs)
    if place is None:
        with _outermost(flow, args, kwargs) as execution:
            return _run(execution, flow, args, kwargs)
    opened = _part(flow, place, args, kwargs)
    return opened if isinstance(opened, State) else _run(opened, flow, args, kwargs)


async def run_flow_async(
    flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> State:
    """Do the same for a coroutine function."""
    place = here()
    for future in futures_in([args, kwargs]):
        await future.wait_async()
    args, kwargs = _resolved(args, kwargs)
    if place is None:
        with _outermost(flow, args, kwargs) as execution:
            return await _run_async(execution, flow, args, kwargs)
    opened = await aside(_part, flow, place, args, kwargs)
    return opened if isinstance(opened, State) else await _run_async(opened, flow, args, kwargs)


def _resolved(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return tuple(resolve(value) for value in args), resolve(kwargs)


def _run(
    execution: Execution, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> State:
    if not execution.begin():
        return execution.finish(flow, State("Cancelled"))
    return execution.finish(flow, execution.perform(flow, args, kwargs))


async def _run_async(
    execution: Execution, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> State:
    if not await aside(execution.begin):
        return await aside(execution.finish, flow, State("Cancelled"))
    state = await execution.perform_async(flow, args, kwargs)
    return await aside(execution.finish, flow, state)


def iterate_flow(
    flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[Any]:
    """Yield the values of a generator function's flow, run as they are taken."""
    args, kwargs = _resolved(args, kwargs)
    with ExitStack() as stack:
        opened = _opened(stack, flow, args, kwargs)
        if isinstance(opened, State):
            yield from opened.data
        elif opened.begin():
            yield from iterate_run(opened, flow, args, kwargs)
        else:
            opened.finish(flow, State("Cancelled")).result()


async def iterate_flow_async(
    flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> AsyncIterator[Any]:
    """Do the same for an asynchronous generator function."""
    for future in futures_in([args, kwargs]):
        await future.wait_async()
    args, kwargs = _resolved(args, kwargs)
    with ExitStack() as stack:
        opened = await aside(_opened, stack, flow, args, kwargs)
        if isinstance(opened, State):
            for value in opened.data:
                yield value
        elif await aside(opened.begin):
            async with aclosing(iterate_run_async(opened, flow, args, kwargs)) as values:
                async for value in values:
                    yield value
        else:
            (await aside(opened.finish, flow, State("Cancelled"))).result()


def _opened(
    stack: ExitStack, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Execution | State:
    place = here()
    if place is None:
        return stack.enter_context(_outermost(flow, args, kwargs))
    return _part(flow, place, args, kwargs)


@contextmanager
def _outermost(
    flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[Execution]:
    """Join a store and create a run there that no worker takes."""
    bound = flow.bind(args, kwargs)
    joined = join()
    run = _new_run(flow, bound, None, None)
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


def _new_run(
    flow: Flow[..., Any], bound: dict[str, Any], run_id: str | None, parent: FlowRun | None
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


def _part(
    flow: Flow[..., Any], place: Here, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Execution | State:
    """Create a run within the run that calls, or go on with the one of an earlier attempt."""
    bound = flow.bind(args, kwargs)
    outer = place.run
    key = f"flow:{flow.name}:{inputs_key(bound)}"
    key = f"{key}:{place.scope.count(key)}"
    passed = outer.again.passed(flow.name)
    run_id = derived_id("flow-run", outer.id, place.scope.owner, key, *passed)
    held = _take(outer.journal, _new_run(flow, bound, run_id, outer.held.run))
    while held.run.state.completed:
        done = restored(outer.journal, flow, held.run)
        outer.journal.release(held)
        if done is not None:
            return done
        run_id = derived_id("flow-run", run_id, "again")
        held = _take(outer.journal, _new_run(flow, bound, run_id, outer.held.run))
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
    journal.call("transition", *transition_arguments(there, state, own=False, more=goes_on))
    return journal.hold(journal.read(run.id) or there)
