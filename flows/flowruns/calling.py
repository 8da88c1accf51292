"""Calls of flows: each is a run, by hand or as a part of the run that calls."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, aclosing
from typing import TYPE_CHECKING, Any

from ..aside import aside
from ..calls.arguments import found_in, futures_in, needed_of, resolve
from ..calls.depth import require_room
from ..calls.futures import TaskFuture
from ..calls.outcomes import give
from ..calls.parameters import Arguments
from ..context import here
from ..exceptions import Interrupted
from ..states import State
from .attempts import Attempts
from .execution import Execution
from .flowgenerator import iterate_run, iterate_run_async
from .opening import by_hand, part_of

if TYPE_CHECKING:
    from ..definitions.flowdef import Flow


def call_flow(flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a flow; return its result, or a coroutine of it for a coroutine function."""
    require_room(flow.name)
    as_state, waited = flow.call_options(kwargs)
    if flow.is_generator and not as_state:
        _require_completed(waited)
        return (_iterate_async if flow.is_async else _iterate)(flow, args, kwargs)
    if flow.is_async:
        return _call_async(flow, args, kwargs, waited, as_state)
    _require_completed(waited)
    return _give(_run(flow, args, kwargs), as_state)


async def _call_async(
    flow: Flow[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    waited: list[Any],
    as_state: bool,
) -> Any:
    for future in futures_in(waited):
        await future.wait_async()
    _require_completed(waited)
    return _give(await _run_async(flow, args, kwargs), as_state)


def _require_completed(waited: list[Any]) -> None:
    for needed in needed_of(found_in(waited)):
        if isinstance(needed.outcome, TaskFuture):
            needed.outcome.wait()
        if not needed.allowed:
            needed.state.result()


def _give(state: State, as_state: bool) -> Any:
    if isinstance(state.data, Interrupted) and here() is None:
        raise SystemExit(128 + signal.SIGTERM) from state.data
    return give(state, as_state)


def _run(flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> State:
    """Run a function's flow to its end; return how it ended."""
    args, kwargs = _resolved(args, kwargs)
    with ExitStack() as stack:
        opened = _opened(stack, flow, args, kwargs)
        if isinstance(opened, State):
            return opened
        if not opened.begin():
            return opened.finish(State("Cancelled"))
        return opened.finish(Attempts(opened, flow, args, kwargs).perform())


async def _run_async(flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> State:
    """Do the same for a coroutine function."""
    args, kwargs = await _resolved_async(args, kwargs)
    with ExitStack() as stack:
        opened = await _opened_async(stack, flow, args, kwargs)
        if isinstance(opened, State):
            return opened
        if not await aside(opened.begin):
            return await aside(opened.finish, State("Cancelled"))
        state = await Attempts(opened, flow, args, kwargs).perform_async()
        return await aside(opened.finish, state)


def _iterate(flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[Any]:
    """Yield the values of a generator function's flow, run as they are taken."""
    args, kwargs = _resolved(args, kwargs)
    with ExitStack() as stack:
        opened = _opened(stack, flow, args, kwargs)
        if isinstance(opened, State):
            yield from opened.data
        elif opened.begin():
            yield from iterate_run(Attempts(opened, flow, args, kwargs))
        else:
            opened.finish(State("Cancelled")).result()


async def _iterate_async(
    flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> AsyncIterator[Any]:
    """Do the same for an asynchronous generator function."""
    args, kwargs = await _resolved_async(args, kwargs)
    with ExitStack() as stack:
        opened = await _opened_async(stack, flow, args, kwargs)
        if isinstance(opened, State):
            for value in opened.data:
                yield value
        elif await aside(opened.begin):
            run = iterate_run_async(Attempts(opened, flow, args, kwargs))
            async with aclosing(run) as values:
                async for value in values:
                    yield value
        else:
            (await aside(opened.finish, State("Cancelled"))).result()


def _resolved(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    return tuple(resolve(value) for value in args), resolve(kwargs)


async def _resolved_async(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    for future in futures_in([args, kwargs]):
        await future.wait_async()
    return _resolved(args, kwargs)


def _opened(
    stack: ExitStack, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Execution | State:
    """Return the run of the call, closed with the stack; or how it ended in an earlier attempt."""
    place = here()
    if place is None:
        return stack.enter_context(by_hand(flow, args, kwargs))
    return part_of(place, flow, args, kwargs)


async def _opened_async(
    stack: ExitStack, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Execution | State:
    place = here()
    if place is None:
        return stack.enter_context(by_hand(flow, args, kwargs))
    return await aside(part_of, place, flow, args, kwargs)
