"""Calls of flows, and of tasks within a flow run: directly, submitted or mapped."""

from __future__ import annotations

import io
import signal
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..annotations import allow_failure, quote, unmapped
from ..calls.arguments import found_in, futures_in, needed_of
from ..calls.depth import require_room
from ..calls.futures import TaskFuture, TaskFutureList
from ..calls.outside import submit_outside
from ..context import Here, here
from ..exceptions import Interrupted, MappingError
from ..states import State
from ..taskruns.taskcall import TaskCall
from ..taskruns.taskgenerator import iterate_call, iterate_call_async

if TYPE_CHECKING:
    from ..definitions.flowdef import Flow
    from ..definitions.taskdef import Task


def call_task(
    task: Task[..., Any], place: Here, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run a task here; return its result, or a coroutine of it for a coroutine function."""
    require_room(task.name)
    as_state = _take(task, kwargs, "return_state", False)
    waited = _take(task, kwargs, "wait_for", None) or ()
    call = TaskCall(task, place, args, kwargs, waited)
    if task.is_generator and not as_state:
        return iterate_call_async(call) if task.is_async else iterate_call(call)
    call.begin()
    if task.is_async:
        return _call_async(call, as_state)
    state = call.future.state if call.future.done() else call.perform()
    return give(state, as_state)


async def _call_async(call: TaskCall, as_state: bool) -> Any:
    state = call.future.state if call.future.done() else await call.perform_async()
    return give(state, as_state)


def give(state: State, as_state: bool) -> Any:
    """Return a state or its result; what stops the process is raised in any case."""
    stops = isinstance(state.data, BaseException) and not isinstance(state.data, Exception)
    return state if as_state and not stops else state.result()


def _take(
    called: Task[..., Any] | Flow[..., Any], kwargs: dict[str, Any], option: str, default: Any
) -> Any:
    """Take an option of the call out of the parameters, unless the function has one of the name."""
    return default if option in called.signature.names else kwargs.pop(option, default)


def submit_task(
    task: Task[..., Any], place: Here | None, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> TaskFuture[Any] | State:
    """Submit a call; return its future, or with ``return_state`` how it ended."""
    as_state = _take(task, kwargs, "return_state", False)
    future = _submit(task, place, args, kwargs, _take(task, kwargs, "wait_for", None) or ())
    return (future.wait() or future.state) if as_state else future


def _submit(
    task: Task[..., Any],
    place: Here | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    waited: Iterable[Any],
) -> TaskFuture[Any]:
    """Hand a call to the flow run's pool; return its future."""
    if place is None:
        return submit_outside(task, args, kwargs, waited)
    call = TaskCall(task, place, args, kwargs, list(waited))
    call.begin()
    future = call.future
    if not future.done():
        future.help_by(call.help)
        if place.transaction is not None and place.transaction.span is not None:
            place.transaction.span.open.append(future)
        place.run.pool().submit(call, call.upstream)
    return future


def map_task(
    task: Task[..., Any],
    place: Here | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> TaskFutureList[Any] | list[State]:
    """Submit one call for each item of the iterable parameters."""
    as_states = _take(task, kwargs, "return_state", False)
    upstream = list(_take(task, kwargs, "wait_for", None) or ())
    bound = task.signature.bind(args, kwargs)
    series = {name: list(_items(value)) for name, value in bound.items() if _iterates(value)}
    fixed = {name: _plain(value) for name, value in bound.items() if name not in series}
    futures = TaskFutureList[Any]()
    for number in range(_length(task.name, series)):
        one = {**fixed, **{name: items[number] for name, items in series.items()}}
        futures.append(_submit(task, place, *task.signature.call_of(one), upstream))
    if as_states:
        return [future.wait() or future.state for future in futures]
    return futures


def _length(name: str, series: dict[str, list[Any]]) -> int:
    lengths = {parameter: len(items) for parameter, items in series.items()}
    if not lengths:
        raise MappingError(f"{name}.map() got no iterable to map over")
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{parameter}: {length}" for parameter, length in lengths.items())
        raise MappingError(f"{name}.map() got iterables of different lengths ({shown})")
    return next(iter(lengths.values()))


def _iterates(value: Any) -> bool:
    if isinstance(value, allow_failure):
        return _iterates(value.value)
    if isinstance(value, unmapped | quote | str | bytes | bytearray | io.IOBase):
        return False
    return isinstance(value, TaskFuture) or hasattr(value, "__iter__")


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, allow_failure):
        return (allow_failure(item) for item in _items(value.value))
    found: Iterable[Any] = value.result() if isinstance(value, TaskFuture) else value
    return found


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, unmapped) else value


def call_flow(flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a flow; return its result, or a coroutine of it for a coroutine function."""
    from .byhand import iterate_flow, iterate_flow_async, run_flow

    require_room(flow.name)
    as_state = _take(flow, kwargs, "return_state", False)
    waited = _take(flow, kwargs, "wait_for", None) or ()
    if flow.is_generator and not as_state:
        _require_completed(waited)
        return (iterate_flow_async if flow.is_async else iterate_flow)(flow, args, kwargs)
    if flow.is_async:
        return _call_flow_async(flow, args, kwargs, list(waited), as_state)
    _require_completed(waited)
    return _give_flow(run_flow(flow, args, kwargs), as_state)


async def _call_flow_async(
    flow: Flow[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    waited: list[Any],
    as_state: bool,
) -> Any:
    from .byhand import run_flow_async

    for future in futures_in(waited):
        await future.wait_async()
    _require_completed(waited)
    return _give_flow(await run_flow_async(flow, args, kwargs), as_state)


def _require_completed(waited: Iterable[Any]) -> None:
    for needed in needed_of(found_in(list(waited))):
        if isinstance(needed.outcome, TaskFuture):
            needed.outcome.wait()
        if not needed.allowed:
            needed.state.result()


def _give_flow(state: State, as_state: bool) -> Any:
    if isinstance(state.data, Interrupted) and here() is None:
        raise SystemExit(128 + signal.SIGTERM) from state.data
    return give(state, as_state)
