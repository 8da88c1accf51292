"""Flows that are generators: their values are run as they are taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Any

from ..calls.generating import CLOSED, iterate, iterate_async
from ..calls.outcomes import ended_by
from ..calls.parameters import Arguments
from ..context import Here
from ..states import State
from .attempts import Attempts
from .stopping import Stop, stoppable


class FlowSteps:
    """A flow's run, as far as taking its values is concerned.

    Args:
        attempts: of the run. stop: stops it.
    """

    def __init__(self, attempts: Attempts, stop: Stop) -> None:
        self._attempts, self._stop = attempts, stop
        self._execution = attempts.execution
        self.place: Here = self._execution.here()
        self.fn: Callable[..., Any] = attempts.flow.fn
        self.timeout_seconds = attempts.flow.timeout_seconds

    def arguments(self) -> Arguments:
        return self._attempts.arguments()

    def start(self) -> None:
        if self._attempts.retries:
            self._attempts.begin_again()
        self.place = self._execution.here()
        self._execution.hook()

    def returned(self, value: Any) -> State:
        self._execution.context.pool.drain()
        return State("Completed", data=value)

    def failed(self, error: Exception) -> State | float:
        return self._attempts.failed(error)

    def pause(self, seconds: float) -> None:
        self._attempts.pause(seconds)

    def closed(self) -> State:
        self._execution.context.pool.drain()
        return State("Completed", CLOSED, data=...)  # no JSON, so it is not kept as the result

    def stopped(self, error: BaseException) -> State | None:
        if isinstance(error, Exception):
            return ended_by(error)
        return self._execution.halting.halted(self._stop, error)


def iterate_run(attempts: Attempts) -> Iterator[Any]:
    """Yield the values of a flow's run that has begun, and finish it."""
    with stoppable(attempts.context) as stop:
        yield from iterate(FlowSteps(attempts, stop), attempts.execution.finish)


async def iterate_run_async(attempts: Attempts) -> AsyncGenerator[Any, None]:
    """Do the same for an asynchronous generator."""
    with stoppable(attempts.context, asyncio.current_task()) as stop:
        ended = iterate_async(FlowSteps(attempts, stop), attempts.execution.finish)
        async with aclosing(ended) as values:
            async for value in values:
                yield value
