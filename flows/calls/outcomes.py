"""Decides in which state a run ends, from what its function did."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from ..exceptions import Interrupted, TimedOut
from ..states import State, legible
from .futures import TaskFuture


def explain(error: BaseException) -> str:
    """Return the error's type and message as people know them from tracebacks."""
    kind = type(error).__name__
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 - it is code of the user's own
        text = f"(it can't be shown: {type(broken).__name__})"
    return legible(f"{kind}: {text}" if text else kind)


def ended_by(error: BaseException) -> State:
    """Return the state that an exception ends a run in."""
    match error:
        case TimedOut():
            name = "TimedOut"
        case Exception():
            name = "Failed"
        case Interrupted() | asyncio.CancelledError():
            name = "Cancelled"
        case _:
            name = "Crashed"
    return State(name, explain(error), data=error)


def ended_with(value: Any) -> State:
    """Return the state that a returned value ends a flow run in.

    A state that ends a run is taken as it is. Of futures and states, alone or in a list, all must
    have completed; any other value completes the run. Futures must have ended.
    """
    states = _states_in(value)
    if states is None:
        return State("Completed", data=value)
    if isinstance(value, State) and value.ended:
        return value
    bad = [state for state in states if not state.completed]
    data = _results(value)
    if not bad:
        return State("Completed", data=data)
    first = next((state.data for state in bad if isinstance(state.data, BaseException)), data)
    return State("Failed", f"{len(bad)} of {len(states)} states are not Completed", data=first)


def give(state: State, as_state: bool) -> Any:
    """Return a state or its result; what stops the process is raised in any case."""
    stops = isinstance(state.data, BaseException) and not isinstance(state.data, Exception)
    return state if as_state and not stops else state.result()


def _states_in(value: Any) -> list[State] | None:
    """Return the states behind a returned value, or None where it is plain data."""
    items: Iterable[Any] = value if isinstance(value, list | tuple | set) else [value]
    if not items or not all(isinstance(item, State | TaskFuture) for item in items):
        return None
    return [item if isinstance(item, State) else item.state for item in items]


def _results(value: Any) -> Any:
    if isinstance(value, State):
        return value.data
    if isinstance(value, TaskFuture):
        return value.state.data
    return [_results(item) for item in value]
