"""Flows and tasks: what users write, and how it runs. Each name loads when it is first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .annotations import allow_failure, quote, unmapped
    from .deployments import Deployment
    from .emitting import emit_event
    from .flowdef import Flow, flow
    from .futures import TaskFuture, TaskFutureList, as_completed, wait
    from .interaction import (
        RunInput,
        apause_flow_run,
        aresume_flow_run,
        asuspend_flow_run,
        pause_flow_run,
        resume_flow_run,
        suspend_flow_run,
    )
    from .logs import get_run_logger
    from .pool import TaskRunner, ThreadPoolTaskRunner
    from .states import State, StateType
    from .taskdef import Task, task

__all__ = [
    "Deployment",
    "Flow",
    "RunInput",
    "State",
    "StateType",
    "Task",
    "TaskFuture",
    "TaskFutureList",
    "TaskRunner",
    "ThreadPoolTaskRunner",
    "allow_failure",
    "apause_flow_run",
    "aresume_flow_run",
    "as_completed",
    "asuspend_flow_run",
    "emit_event",
    "flow",
    "get_run_logger",
    "pause_flow_run",
    "quote",
    "resume_flow_run",
    "suspend_flow_run",
    "task",
    "unmapped",
    "wait",
]

_MODULE_OF: Final = {
    "Deployment": "deployments",
    "Flow": "flowdef",
    "RunInput": "interaction",
    "State": "states",
    "StateType": "states",
    "Task": "taskdef",
    "TaskFuture": "futures",
    "TaskFutureList": "futures",
    "TaskRunner": "pool",
    "ThreadPoolTaskRunner": "pool",
    "allow_failure": "annotations",
    "apause_flow_run": "interaction",
    "aresume_flow_run": "interaction",
    "as_completed": "futures",
    "asuspend_flow_run": "interaction",
    "emit_event": "emitting",
    "flow": "flowdef",
    "get_run_logger": "logs",
    "pause_flow_run": "interaction",
    "quote": "annotations",
    "resume_flow_run": "interaction",
    "suspend_flow_run": "interaction",
    "task": "taskdef",
    "unmapped": "annotations",
    "wait": "futures",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module, once."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = value
    return value
