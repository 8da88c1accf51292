"""Tasks where no flow is under way: plain calls, beside the caller in threads when submitted.

No run is recorded, so nothing is tried again, cached or kept either.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from upshot.events.ids import new_id

from ..aside import called
from ..exceptions import UpstreamFailed
from ..states import State
from .arguments import futures_in, resolve
from .futures import TaskFuture
from .outcomes import ended_by, give

if TYPE_CHECKING:
    from ..definitions.taskdef import Task

_THREADS: Final = 64


def call_outside(task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a task's function right here; what a call of its own may ask for is understood.

    A coroutine function gives a coroutine, as ever.
    """
    as_state, waited = task.call_options(kwargs)
    if not (as_state or waited or futures_in([args, kwargs])):
        return task.fn(*args, **kwargs)
    task.signature.bind(args, kwargs)
    call = _Call(task, args, kwargs, waited)
    if task.is_async:
        return _later(call, as_state)
    call.run()
    return give(call.future.state, as_state)


async def _later(call: _Call, as_state: bool) -> Any:
    await asyncio.to_thread(call.run)
    return give(call.future.state, as_state)


def submit_outside(
    task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], waited: Iterable[Any]
) -> TaskFuture[Any]:
    """Call a task's function in another thread; return the future of what becomes of it.

    Args:
        args, kwargs: they may hold futures. waited: futures that must have completed before.

    Raises:
        TypeError: the arguments do not fit the task's signature.
    """
    task.signature.bind(args, kwargs)
    call = _Call(task, args, kwargs, list(waited))
    call.future.help_by(call.run)
    _pool(os.getpid()).submit(copy_context().run, call.run)
    return call.future


@cache
def _pool(_process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, "upshot-outside")


class _Call:
    """One call, which its thread does, or who waits for it: so that waits use up no threads."""

    def __init__(
        self, task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], waited: list[Any]
    ) -> None:
        self._task, self._args, self._kwargs, self._waited = task, args, kwargs, waited
        self._claimed = threading.Lock()
        self.future: TaskFuture[Any] = TaskFuture(new_id(), task.name, task.name)

    def run(self) -> None:
        """Do it and settle its future, unless somebody does already."""
        if self._claimed.acquire(blocking=False):
            self.future.settle(self._outcome())

    def _outcome(self) -> State:
        try:
            for future in futures_in(self._waited):
                state = future.wait()
                if state is not None and not state.completed:
                    raise UpstreamFailed(f"{future.name} is {state.name}")
            value = called(self._task.body, *resolve(self._args), **resolve(self._kwargs))
            return State("Completed", data=value)
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            return ended_by(error)
