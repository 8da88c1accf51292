"""Tasks that are generators: their values are run as they are taken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any

from ..calls.generating import iterate, iterate_async
from ..calls.parameters import Arguments
from ..context import Here, standing
from ..states import State
from .taskcall import TaskCall


class TaskSteps:
    """A call of a task, as far as taking its values is concerned.

    Args:
        call: the call, which has begun.
    """

    def __init__(self, call: TaskCall) -> None:
        self.place: Here = call.place
        self.fn: Callable[..., Any] = call.task.fn
        self.timeout_seconds = call.task.timeout_seconds
        self._call, self._settling = call, call.settling

    def arguments(self) -> Arguments:
        return self._call.needs.ready()

    def start(self) -> None:
        self._settling.start()

    def returned(self, value: Any) -> State:
        return self._settling.returned(value)

    def failed(self, error: Exception) -> State | float:
        return self._settling.failed(error)

    def pause(self, seconds: float) -> None:
        self._call.pause(seconds)

    def closed(self) -> State:
        return self._settling.closed()

    def stopped(self, error: BaseException) -> State:
        return self._settling.stopped(error)

    def finish(self, state: State) -> State:
        with standing(self.place):
            self._settling.tell(state)
        return state


def iterate_call(call: TaskCall) -> Iterator[Any]:
    """Yield the values of a generator function, run as they are taken."""
    call.begin()
    if call.future.done():
        yield from call.future.state.data
    else:
        steps = TaskSteps(call)
        yield from iterate(steps, steps.finish)


async def iterate_call_async(call: TaskCall) -> AsyncIterator[Any]:
    """Do the same for an asynchronous generator function."""
    call.begin()
    if call.future.done():
        for value in call.future.state.data:
            yield value
        return
    for future in call.upstream:
        await future.wait_async()
    steps = TaskSteps(call)
    async with aclosing(iterate_async(steps, steps.finish)) as values:
        async for value in values:
            yield value
