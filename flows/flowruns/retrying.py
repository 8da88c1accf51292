"""Decides whether a flow that failed is tried again, once its tasks are out of the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..calls.outcomes import ended_by, explain
from ..exceptions import EntrypointNotFound, InvalidParameters, TimedOut
from ..logs.capturing import run_logger
from ..runners.opening import OnePool
from ..states import State

if TYPE_CHECKING:
    from ..definitions.flowdef import Flow

_FINAL: Final = (InvalidParameters, EntrypointNotFound)  # no retry mends these


class Retrying:
    """The retries of one flow run in this process.

    Args:
        pool: has the tasks that the run submitted.
    """

    def __init__(self, pool: OnePool) -> None:
        self._pool = pool
        self._retries = 0

    def failed(self, flow: Flow[..., Any], error: Exception) -> State | float:
        """Return how long to wait before the next attempt, or the state to end in."""
        self._clear_pool(error)
        if self._retries >= flow.retries or isinstance(error, _FINAL):
            run_logger().error("failed: %s", explain(error), exc_info=error)
            return ended_by(error)
        try:
            delay = flow.retry_delay(self._retries)
        except Exception as broken:  # noqa: BLE001 - the user's own function makes the delays
            run_logger().error("no retry: %s", explain(broken), exc_info=broken)
            return ended_by(broken)
        self._retries += 1
        run_logger().warning("failed: %s; %s in %g s", explain(error), self.which(flow), delay)
        return delay

    def _clear_pool(self, error: Exception) -> None:
        if isinstance(error, TimedOut):
            self._pool.abort()
        else:
            self._pool.drop_waiting()
            self._pool.drain()

    def which(self, flow: Flow[..., Any]) -> str:
        """Tell which retry it is."""
        return f"retry {self._retries} of {flow.retries}"
