"""Calls of tasks within a flow run: directly, or submitted to run beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..calls.depth import require_room
from ..calls.futures import TaskFuture
from ..calls.outcomes import give
from ..calls.outside import submit_outside
from ..context import Here
from ..states import State
from .taskcall import TaskCall
from .taskgenerator import iterate_call, iterate_call_async

if TYPE_CHECKING:
    from ..definitions.taskdef import Task


def call_task(
    task: Task[..., Any], place: Here, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run a task here; return its result, or a coroutine of it for a coroutine function."""
    require_room(task.name)
    as_state, waited = task.call_options(kwargs)
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


def submit_task(
    task: Task[..., Any], place: Here | None, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> TaskFuture[Any] | State:
    """Submit a call; return its future, or with ``return_state`` wait and return how it ended."""
    as_state, waited = task.call_options(kwargs)
    future = submit(task, place, args, kwargs, waited)
    return (future.wait() or future.state) if as_state else future


def submit(
    task: Task[..., Any],
    place: Here | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    waited: list[Any],
) -> TaskFuture[Any]:
    """Hand a call to the flow run's pool; return its future."""
    if place is None:
        return submit_outside(task, args, kwargs, waited)
    call = TaskCall(task, place, args, kwargs, waited)
    call.begin()
    future = call.future
    if not future.done():
        future.help_by(call.help)
        if place.transaction is not None and place.transaction.span is not None:
            place.transaction.span.open.append(future)
        place.context.pool.submit(call, call.upstream)
    return future
