"""Upshot turns events into outcomes; this is its public face, and each name loads when first used.

``import upshot`` itself loads nothing else, so that a flow process pays for what it uses and no
more. The rooms behind the names are ``upshot.events``, ``upshot.flows``, ``upshot.automations``
and ``upshot.services``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from upshot.events import Event
    from upshot.flows import (
        DEFAULT,
        FLOW_PARAMETERS,
        INPUTS,
        NO_CACHE,
        RUN_ID,
        TASK_SOURCE,
        AsyncioTaskRunner,
        CacheKeyFnPolicy,
        CachePolicy,
        Cancelled,
        CommitMode,
        Completed,
        ConcurrencyLimitConfig,
        DaskTaskRunner,
        Deployment,
        Failed,
        Flow,
        IsolationLevel,
        ProcessPoolTaskRunner,
        RunFuture,
        RunInput,
        State,
        StateType,
        Task,
        TaskFuture,
        TaskFutureList,
        TaskRunner,
        ThreadPoolTaskRunner,
        Transaction,
        allow_failure,
        apause_flow_run,
        aresume_flow_run,
        arun_deployment,
        as_completed,
        asuspend_flow_run,
        concurrency,
        emit_event,
        exponential_backoff,
        flow,
        get_run_logger,
        get_transaction,
        pause_flow_run,
        quote,
        rate_limit,
        resume_flow_run,
        run_deployment,
        runtime,
        suspend_flow_run,
        tags,
        task,
        task_input_hash,
        transaction,
        unmapped,
        wait,
        wait_for_event,
    )
    from upshot.services.automation import Automation

    __version__: str

__all__ = [
    "DEFAULT",
    "FLOW_PARAMETERS",
    "INPUTS",
    "NO_CACHE",
    "RUN_ID",
    "TASK_SOURCE",
    "AsyncioTaskRunner",
    "Automation",
    "CacheKeyFnPolicy",
    "CachePolicy",
    "Cancelled",
    "CommitMode",
    "Completed",
    "ConcurrencyLimitConfig",
    "DaskTaskRunner",
    "Deployment",
    "Event",
    "Failed",
    "Flow",
    "IsolationLevel",
    "ProcessPoolTaskRunner",
    "RunFuture",
    "RunInput",
    "State",
    "StateType",
    "Task",
    "TaskFuture",
    "TaskFutureList",
    "TaskRunner",
    "ThreadPoolTaskRunner",
    "Transaction",
    "allow_failure",
    "apause_flow_run",
    "aresume_flow_run",
    "arun_deployment",
    "as_completed",
    "asuspend_flow_run",
    "concurrency",
    "emit_event",
    "exponential_backoff",
    "flow",
    "get_run_logger",
    "get_transaction",
    "pause_flow_run",
    "quote",
    "rate_limit",
    "resume_flow_run",
    "run_deployment",
    "runtime",
    "suspend_flow_run",
    "tags",
    "task",
    "task_input_hash",
    "transaction",
    "unmapped",
    "wait",
    "wait_for_event",
]

# A new public name goes here, into `__all__` and among the imports above; a test compares them.
_ROOM_OF: Final = {
    "DEFAULT": "upshot.flows",
    "FLOW_PARAMETERS": "upshot.flows",
    "INPUTS": "upshot.flows",
    "NO_CACHE": "upshot.flows",
    "RUN_ID": "upshot.flows",
    "TASK_SOURCE": "upshot.flows",
    "AsyncioTaskRunner": "upshot.flows",
    "Automation": "upshot.services.automation",
    "CacheKeyFnPolicy": "upshot.flows",
    "CachePolicy": "upshot.flows",
    "Cancelled": "upshot.flows",
    "CommitMode": "upshot.flows",
    "Completed": "upshot.flows",
    "ConcurrencyLimitConfig": "upshot.flows",
    "DaskTaskRunner": "upshot.flows",
    "Deployment": "upshot.flows",
    "Event": "upshot.events",
    "Failed": "upshot.flows",
    "Flow": "upshot.flows",
    "IsolationLevel": "upshot.flows",
    "ProcessPoolTaskRunner": "upshot.flows",
    "RunFuture": "upshot.flows",
    "RunInput": "upshot.flows",
    "State": "upshot.flows",
    "StateType": "upshot.flows",
    "Task": "upshot.flows",
    "TaskFuture": "upshot.flows",
    "TaskFutureList": "upshot.flows",
    "TaskRunner": "upshot.flows",
    "ThreadPoolTaskRunner": "upshot.flows",
    "Transaction": "upshot.flows",
    "allow_failure": "upshot.flows",
    "apause_flow_run": "upshot.flows",
    "aresume_flow_run": "upshot.flows",
    "arun_deployment": "upshot.flows",
    "as_completed": "upshot.flows",
    "asuspend_flow_run": "upshot.flows",
    "concurrency": "upshot.flows",
    "emit_event": "upshot.flows",
    "exponential_backoff": "upshot.flows",
    "flow": "upshot.flows",
    "get_run_logger": "upshot.flows",
    "get_transaction": "upshot.flows",
    "pause_flow_run": "upshot.flows",
    "quote": "upshot.flows",
    "rate_limit": "upshot.flows",
    "resume_flow_run": "upshot.flows",
    "run_deployment": "upshot.flows",
    "runtime": "upshot.flows",
    "suspend_flow_run": "upshot.flows",
    "tags": "upshot.flows",
    "task": "upshot.flows",
    "task_input_hash": "upshot.flows",
    "transaction": "upshot.flows",
    "unmapped": "upshot.flows",
    "wait": "upshot.flows",
    "wait_for_event": "upshot.flows",
}


def _version() -> str:
    from importlib import metadata

    return metadata.version("upshot")


def __getattr__(name: str) -> Any:
    """Load a public name from its room, once.

    Raises:
        AttributeError: when Upshot has no such public name.
    """
    if name == "__version__":
        value: Any = _version()
    elif name in _ROOM_OF:
        value = getattr(importlib.import_module(_ROOM_OF[name]), name)
    else:
        raise AttributeError(f"module 'upshot' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__, "__version__"})
