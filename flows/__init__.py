"""Flows and tasks: what users write, and how it runs. Each name loads when it is first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from . import runtime
    from .annotations import allow_failure, quote, unmapped
    from .calls.futures import TaskFuture, TaskFutureList, as_completed, wait
    from .data.artifacts import (
        acreate_image_artifact,
        acreate_link_artifact,
        acreate_markdown_artifact,
        acreate_progress_artifact,
        acreate_table_artifact,
        aupdate_progress_artifact,
        create_image_artifact,
        create_link_artifact,
        create_markdown_artifact,
        create_progress_artifact,
        create_table_artifact,
        update_progress_artifact,
    )
    from .data.assets import (
        Asset,
        AssetProperties,
        MaterializingTask,
        add_asset_metadata,
        asset,
        materialize,
    )
    from .data.checks import AssetCheck, AssetCheckResult, asset_check
    from .definitions.flowdef import Flow, flow
    from .definitions.options import exponential_backoff
    from .definitions.tagging import tags
    from .definitions.taskdef import Task, task
    from .deployments.deployment import ConcurrencyLimitConfig, Deployment
    from .deployments.remote import arun_deployment, run_deployment
    from .deployments.runfuture import RunFuture
    from .emitting import emit_event
    from .limits.concurrency import concurrency
    from .limits.rates import rate_limit
    from .logs.capturing import get_run_logger
    from .results.cache_policies import (
        DEFAULT,
        FLOW_PARAMETERS,
        INPUTS,
        NO_CACHE,
        RUN_ID,
        TASK_SOURCE,
        CacheKeyFnPolicy,
        CachePolicy,
        IsolationLevel,
        task_input_hash,
    )
    from .runners.base import TaskRunner
    from .runners.dask import DaskTaskRunner
    from .runners.processes import ProcessPoolTaskRunner
    from .runners.threads import AsyncioTaskRunner, ThreadPoolTaskRunner
    from .states import Cancelled, Completed, Failed, State, StateType
    from .transactions.transacting import transaction
    from .transactions.transaction import CommitMode, Transaction, get_transaction
    from .waiting.events import wait_for_event
    from .waiting.interaction import (
        RunInput,
        apause_flow_run,
        aresume_flow_run,
        asuspend_flow_run,
        pause_flow_run,
        resume_flow_run,
        suspend_flow_run,
    )

__all__ = [
    "DEFAULT",
    "FLOW_PARAMETERS",
    "INPUTS",
    "NO_CACHE",
    "RUN_ID",
    "TASK_SOURCE",
    "Asset",
    "AssetCheck",
    "AssetCheckResult",
    "AssetProperties",
    "AsyncioTaskRunner",
    "CacheKeyFnPolicy",
    "CachePolicy",
    "Cancelled",
    "CommitMode",
    "Completed",
    "ConcurrencyLimitConfig",
    "DaskTaskRunner",
    "Deployment",
    "Failed",
    "Flow",
    "IsolationLevel",
    "MaterializingTask",
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
    "acreate_image_artifact",
    "acreate_link_artifact",
    "acreate_markdown_artifact",
    "acreate_progress_artifact",
    "acreate_table_artifact",
    "add_asset_metadata",
    "allow_failure",
    "apause_flow_run",
    "aresume_flow_run",
    "arun_deployment",
    "as_completed",
    "asset",
    "asset_check",
    "asuspend_flow_run",
    "aupdate_progress_artifact",
    "concurrency",
    "create_image_artifact",
    "create_link_artifact",
    "create_markdown_artifact",
    "create_progress_artifact",
    "create_table_artifact",
    "emit_event",
    "exponential_backoff",
    "flow",
    "get_run_logger",
    "get_transaction",
    "materialize",
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
    "update_progress_artifact",
    "wait",
    "wait_for_event",
]

_MODULE_OF: Final = {
    "DEFAULT": "results.cache_policies",
    "FLOW_PARAMETERS": "results.cache_policies",
    "INPUTS": "results.cache_policies",
    "NO_CACHE": "results.cache_policies",
    "RUN_ID": "results.cache_policies",
    "TASK_SOURCE": "results.cache_policies",
    "Asset": "data.assets",
    "AssetCheck": "data.checks",
    "AssetCheckResult": "data.checks",
    "AssetProperties": "data.assets",
    "AsyncioTaskRunner": "runners.threads",
    "CacheKeyFnPolicy": "results.cache_policies",
    "CachePolicy": "results.cache_policies",
    "Cancelled": "states",
    "CommitMode": "transactions.transaction",
    "Completed": "states",
    "ConcurrencyLimitConfig": "deployments.deployment",
    "DaskTaskRunner": "runners.dask",
    "Deployment": "deployments.deployment",
    "Failed": "states",
    "Flow": "definitions.flowdef",
    "IsolationLevel": "results.cache_policies",
    "MaterializingTask": "data.assets",
    "ProcessPoolTaskRunner": "runners.processes",
    "RunFuture": "deployments.runfuture",
    "RunInput": "waiting.interaction",
    "State": "states",
    "StateType": "states",
    "Task": "definitions.taskdef",
    "TaskFuture": "calls.futures",
    "TaskFutureList": "calls.futures",
    "TaskRunner": "runners.base",
    "ThreadPoolTaskRunner": "runners.threads",
    "Transaction": "transactions.transaction",
    "acreate_image_artifact": "data.artifacts",
    "acreate_link_artifact": "data.artifacts",
    "acreate_markdown_artifact": "data.artifacts",
    "acreate_progress_artifact": "data.artifacts",
    "acreate_table_artifact": "data.artifacts",
    "add_asset_metadata": "data.assets",
    "allow_failure": "annotations",
    "apause_flow_run": "waiting.interaction",
    "aresume_flow_run": "waiting.interaction",
    "arun_deployment": "deployments.remote",
    "as_completed": "calls.futures",
    "asset": "data.assets",
    "asset_check": "data.checks",
    "asuspend_flow_run": "waiting.interaction",
    "aupdate_progress_artifact": "data.artifacts",
    "concurrency": "limits.concurrency",
    "create_image_artifact": "data.artifacts",
    "create_link_artifact": "data.artifacts",
    "create_markdown_artifact": "data.artifacts",
    "create_progress_artifact": "data.artifacts",
    "create_table_artifact": "data.artifacts",
    "emit_event": "emitting",
    "exponential_backoff": "definitions.options",
    "flow": "definitions.flowdef",
    "get_run_logger": "logs.capturing",
    "get_transaction": "transactions.transaction",
    "materialize": "data.assets",
    "pause_flow_run": "waiting.interaction",
    "quote": "annotations",
    "rate_limit": "limits.rates",
    "resume_flow_run": "waiting.interaction",
    "run_deployment": "deployments.remote",
    "runtime": "runtime",
    "suspend_flow_run": "waiting.interaction",
    "tags": "definitions.tagging",
    "task": "definitions.taskdef",
    "task_input_hash": "results.cache_policies",
    "transaction": "transactions.transacting",
    "unmapped": "annotations",
    "update_progress_artifact": "data.artifacts",
    "wait": "calls.futures",
    "wait_for_event": "waiting.events",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module, once."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{_MODULE_OF[name]}", __name__)
    value = module if name == "runtime" else getattr(module, name)
    globals()[name] = value
    return value
