"""The run that code is in, as one object: what hooks, keys and ``get_run_context`` get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import runtime
from .context import Here, here
from .exceptions import OutsideRun

if TYPE_CHECKING:
    from .definitions.flowdef import Flow
    from .runs.flowrun import FlowRun
    from .taskruns.taskrun import TaskRun


@dataclass(frozen=True, slots=True)
class FlowRunContext:
    """A flow run.

    Attributes:
        flow: None in a task that runs in another process than its flow.
        flow_run: as it was when the run last changed. parameters: as its record shows them.
    """

    flow: Flow[..., Any] | None
    flow_run: FlowRun
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def get() -> FlowRunContext | None:
        """Return the flow run that the running code is in, also from its tasks; None outside."""
        place = here()
        return None if place is None else _of_flow(place)


@dataclass(frozen=True, slots=True)
class TaskRunContext:
    """A task run.

    Attributes:
        task: what is called, a ``Task``; None in a task that runs in another process than its flow.
        flow_run: whose code called it. flow_parameters: of that run.
        parameters: of the call; empty in another process, and where a key is made, as that gets
            them by themselves.
    """

    task: Any
    task_run: TaskRun
    flow_run: FlowRun
    flow_parameters: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def get() -> TaskRunContext | None:
        """Return the task run that the running code is in; None outside of tasks."""
        place = here()
        return None if place is None or place.task is None else _of_task(place, place.task)


def get_run_context() -> FlowRunContext | TaskRunContext:
    """Return the task run that calls, or else the flow run.

    Raises:
        OutsideRun: no run is under way here.
    """
    found = TaskRunContext.get() or FlowRunContext.get()
    if found is None:
        raise OutsideRun("get_run_context() works inside of a flow or task run only")
    return found


def _of_flow(place: Here) -> FlowRunContext:
    run = place.context.flow_run
    return FlowRunContext(place.context.flow, run, run.parameters)


def _of_task(place: Here, task_run: TaskRun) -> TaskRunContext:
    run = place.context.flow_run
    parameters = runtime.task_run.parameters
    return TaskRunContext(place.called, task_run, run, run.parameters, parameters)
