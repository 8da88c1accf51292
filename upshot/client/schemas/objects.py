"""Runs, states and limits, where users of Prefect import them from."""

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upshot.flows import ConcurrencyLimitConfig as ConcurrencyLimitConfig
    from upshot.flows.runs.flowrun import FlowRun as FlowRun
    from upshot.flows.states import State as State, StateType as StateType
    from upshot.flows.taskruns.taskrun import TaskRun as TaskRun
else:
    from upshot.events.lazy import face

    __getattr__ = face(
        __name__,
        {
            "upshot.flows": "ConcurrencyLimitConfig",
            "upshot.flows.runs.flowrun": "FlowRun",
            "upshot.flows.states": "State StateType",
            "upshot.flows.taskruns.taskrun": "TaskRun",
        },
    )


class ConcurrencyLimitStrategy(StrEnum):
    """What becomes of a run of a deployment that is one too many."""

    ENQUEUE = "ENQUEUE"
    CANCEL_NEW = "CANCEL_NEW"
    CANCEL_RUNNING = "CANCEL_RUNNING"
