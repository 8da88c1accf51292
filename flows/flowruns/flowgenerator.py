"""Flows that are generators: their values are run as they are taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from ..calls.generating import CLOSED, iterate, iterate_async
from ..calls.outcomes import ended_by
from ..calls.parameters import Arguments
from ..context import Here
from ..exceptions import Interrupted
from ..states import State
from .execution import Execution
from .stopping import Stop, stoppable

if TYPE_CHECKING:
    from ..definitions.flowdef import Flow


class FlowSteps:
    """A flow's run, as far as taking its values is concerned.

    Args:
        execution: the run, which has begun. args, kwargs: of the call. stop: stops it.
    """

    def __init__(
        self,
        execution: Execution,
        flow: Flow[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        stop: Stop,
    ) -> None:
        self.place: Here = execution.here()
        self._execution, self._flow, self._stop = execution, flow, stop
        self._given = args, kwargs
        self._retries = False

    @property
    def fn(self) -> Callable[..., Any]:
        return self._flow.fn

    @property
    def timeout_seconds(self) -> float | None:
        return self._flow.timeout_seconds

    def arguments(self) -> Arguments:
        return self._execution.checked(self._flow, *self._given)

    def start(self) -> None:
        if self._retries and not self._execution.begin("Retrying", self._which()):
            raise Interrupted("stopped between two attempts")
        self.place = self._execution.here()
        self._execution.hook(self._flow)

    def _which(self) -> str:
        return self._execution.retrying.which(self._flow)

    def returned(self, value: Any) -> State:
        self._execution.drain()
        return State("Completed", data=value)

    def failed(self, error: Exception) -> State | float:
        self._retries = True
        return self._execution.retrying.failed(self._flow, error)

    def pause(self, seconds: float) -> None:
        if self._execution.context.stopping.wait(seconds):
            raise Interrupted("terminated")

    def closed(self) -> State:
        self._execution.drain()
        return State("Completed", CLOSED, data=...)  # no JSON, so it is not kept as the result

    def stopped(self, error: BaseException) -> State | None:
        if isinstance(error, Exception):
            return ended_by(error)
        return self._execution.halting.halted(self._stop, error)


def iterate_run(
    execution: Execution, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[Any]:
    """Yield the values of a flow's run that has begun."""
    execution.set_up(flow)
    with stoppable(execution.context) as stop:
        steps = FlowSteps(execution, flow, args, kwargs, stop)
        yield from iterate(steps, lambda state: execution.finish(flow, state))


async def iterate_run_async(
    execution: Execution, flow: Flow[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> AsyncGenerator[Any, None]:
    """Do the same for an asynchronous generator."""
    execution.set_up(flow)
    with stoppable(execution.context, asyncio.current_task()) as stop:
        steps = FlowSteps(execution, flow, args, kwargs, stop)
        ended = iterate_async(steps, lambda state: execution.finish(flow, state))
        async with aclosing(ended) as values:
            async for value in values:
                yield value
