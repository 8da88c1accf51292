"""Calls of flows: each is a run, by hand or as a part of the run that calls."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from ..calls.arguments import found_in, futures_in, needed_of
from ..calls.depth import require_room
from ..calls.futures import TaskFuture
from ..calls.outcomes import give
from ..context import here
from ..exceptions import Interrupted
from ..states import State
from .byhand import iterate_flow, iterate_flow_async, run_flow, run_flow_async

if TYPE_CHECKING:
    from ..definitions.flowdef import Flow


def call_flow(flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a flow; return its result, or a coroutine of it for a coroutine function."""
    require_room(flow.name)
    as_state, waited = flow.call_options(kwargs)
    if flow.is_generator and not as_state:
        _require_completed(waited)
        return (iterate_flow_async if flow.is_async else iterate_flow)(flow, args, kwargs)
    if flow.is_async:
        return _call_flow_async(flow, args, kwargs, waited, as_state)
    _require_completed(waited)
    return _give_flow(run_flow(flow, args, kwargs), as_state)


async def _call_flow_async(
    flow: Flow[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    waited: list[Any],
    as_state: bool,
) -> Any:
    for future in futures_in(waited):
        await future.wait_async()
    _require_completed(waited)
    return _give_flow(await run_flow_async(flow, args, kwargs), as_state)


def _require_completed(waited: list[Any]) -> None:
    for needed in needed_of(found_in(waited)):
        if isinstance(needed.outcome, TaskFuture):
            needed.outcome.wait()
        if not needed.allowed:
            needed.state.result()


def _give_flow(state: State, as_state: bool) -> Any:
    if isinstance(state.data, Interrupted) and here() is None:
        raise SystemExit(128 + signal.SIGTERM) from state.data
    return give(state, as_state)
