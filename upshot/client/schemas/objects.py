"""Runs and states as hooks get them, where users of Prefect import them from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upshot.flows.runs.flowrun import FlowRun as FlowRun
    from upshot.flows.states import State as State, StateType as StateType
    from upshot.flows.taskruns.taskrun import TaskRun as TaskRun
else:
    from upshot.events.lazy import face

    __getattr__ = face(
        __name__,
        {
            "upshot.flows.runs.flowrun": "FlowRun",
            "upshot.flows.states": "State StateType",
            "upshot.flows.taskruns.taskrun": "TaskRun",
        },
    )
