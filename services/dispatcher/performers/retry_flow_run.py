"""Performs retry-flow-run: a run that carries this action as its cause was retried already."""

from __future__ import annotations

from typing import Any, ClassVar

from upshot.events.exceptions import NotFound
from upshot.flows.exceptions import NotRetryable
from upshot.flows.registry import Runs
from upshot.flows.runs import FlowRun

from ...exceptions import ActionFailed
from ..performing import Job, Receiver


class RetryFlowRun:
    """Schedules an ended flow run again.

    Args:
        runs: where the runs are.
    """

    type: ClassVar[str] = "retry-flow-run"

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    def receiver(self, arguments: dict[str, Any]) -> Receiver | None:
        return None

    async def perform(self, arguments: dict[str, Any], job: Job) -> str:
        try:
            run = await self._once(arguments["flow_run"], job)
        except NotFound as error:
            raise ActionFailed(str(error)) from error
        return f"flow-run.{run.id} ({run.name})"

    async def _once(self, run_id: str, job: Job) -> FlowRun:
        run = await self._runs.find(run_id)
        if run.caused_by == job.triggered:
            return run
        try:
            return await self._runs.retry(
                run.id, "an automation retries it", cause=(job.triggered, job.causation)
            )
        except NotRetryable as error:
            run = await self._runs.get(run.id)
            if run.caused_by == job.triggered:  # done by another delivery in the meantime
                return run
            raise ActionFailed(str(error)) from error
