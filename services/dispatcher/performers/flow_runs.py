"""Performs what changes a flow run; the run itself knows which causes have changed it already."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from upshot.events.exceptions import IllegalTransition, NotFound
from upshot.events.store import Store
from upshot.flows.exceptions import TerminalFlowsError
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State

from ...endings import end_tasks
from ...exceptions import ActionFailed
from ..performing import Job, Receiver


class _OfFlowRun:
    """What these performers share.

    Args:
        runs: where the runs are.
    """

    type: ClassVar[str]

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    def receiver(self, arguments: dict[str, Any]) -> Receiver | None:
        return None

    async def perform(self, arguments: dict[str, Any], job: Job) -> str:
        try:
            before = await self._runs.find(arguments["flow_run"])
            run = await self._change(before, arguments, job)
        except (NotFound, IllegalTransition, TerminalFlowsError) as error:
            raise ActionFailed(str(error)) from error
        what = f"flow-run.{run.id} ({run.name})"
        changed = job.triggered in run.causes
        return what if changed else f"{what} {_already(run)}"

    async def _change(self, run: FlowRun, arguments: dict[str, Any], job: Job) -> FlowRun:
        """Change the run; one that is left as it is has not the job among its causes."""
        raise NotImplementedError


def _already(run: FlowRun) -> str:
    """Say why nothing had to be done."""
    return f"{'had ended' if run.state.ended else 'was so'} already: {run.state.name}"


class RetryFlowRun(_OfFlowRun):
    """Schedules an ended flow run again."""

    type = "retry-flow-run"

    async def _change(self, run: FlowRun, arguments: dict[str, Any], job: Job) -> FlowRun:
        return await self._runs.retry(run.id, "an automation retries it", job.cause)


class PauseFlowRun(_OfFlowRun):
    """Pauses a flow run."""

    type = "pause-flow-run"

    async def _change(self, run: FlowRun, arguments: dict[str, Any], job: Job) -> FlowRun:
        message = arguments["message"] or "an automation pauses it"
        return await self._runs.pause(run.id, message, cause=job.cause)


class ResumeFlowRun(_OfFlowRun):
    """Lets a paused flow run go on."""

    type = "resume-flow-run"

    async def _change(self, run: FlowRun, arguments: dict[str, Any], job: Job) -> FlowRun:
        message = arguments["message"] or "an automation resumes it"
        given = arguments.get("input")
        return await self._runs.resume(run.id, message, input=given, cause=job.cause)


class _Ending(_OfFlowRun):
    """Performs what may end a run without its process, and so has to end its task runs.

    Args:
        store: where the task runs are.
    """

    def __init__(self, runs: Runs, store: Store) -> None:
        super().__init__(runs)
        self._store = store

    async def _ended(self, run: FlowRun, job: Job) -> FlowRun:
        """End the open task runs of a run that this job has ended; tried again, again."""
        if run.state.ended and job.triggered in run.causes:
            # What did not run did not complete, whatever is said of the whole.
            state = State("Cancelled", run.state.message) if run.state.completed else run.state
            await end_tasks(self._store, replace(run, state=state))
        return run


class CancelFlowRun(_Ending):
    """Cancels a flow run."""

    type = "cancel-flow-run"

    async def _change(self, run: FlowRun, arguments: dict[str, Any], job: Job) -> FlowRun:
        message = arguments["message"] or "an automation cancels it"
        return await self._ended(await self._runs.cancel(run.id, message, job.cause), job)


class ChangeFlowRunState(_Ending):
    """Puts a flow run into a state."""

    type = "change-flow-run-state"

    async def _change(self, run: FlowRun, arguments: dict[str, Any], job: Job) -> FlowRun:
        message = arguments["message"] or "an automation says so"
        state = State(arguments["state"], message)
        return await self._ended(await self._runs.change(run.id, state, job.cause), job)
