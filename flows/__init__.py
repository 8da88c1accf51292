"""Flows and tasks: what users write, and how it runs. Each name loads when it is first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from . import runtime
    from .annotations import allow_failure, quote, unmapped
    from .artifacts import (
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
    from .assets import (
        Asset,
        AssetProperties,
        MaterializingTask,
        add_asset_metadata,
        asset,
        materialize,
    )
    from .cache_policies import (
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
    from .checks import AssetCheck, AssetCheckResult, asset_check
    from .deployments import ConcurrencyLimitConfig, Deployment
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
    from .limits import concurrency
    from .logs import get_run_logger
    from .options import exponential_backoff
    from .rates import rate_limit
    from .remote import arun_deployment, run_deployment
    from .runfuture import RunFuture
    from .runners.base import TaskRunner
    from .runners.dask import DaskTaskRunner
    from .runners.processes import ProcessPoolTaskRunner
    from .runners.threads import AsyncioTaskRunner, ThreadPoolTaskRunner
    from .states import Cancelled, Completed, Failed, State, StateType
    from .tagging import tags
    from .taskdef import Task, task
    from .transacting import transaction
    from .transactions import CommitMode, Transaction, get_transaction
    from .waiting import wait_for_event

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
    "DEFAULT": "cache_policies",
    "FLOW_PARAMETERS": "cache_policies",
    "INPUTS": "cache_policies",
    "NO_CACHE": "cache_policies",
    "RUN_ID": "cache_policies",
    "TASK_SOURCE": "cache_policies",
    "Asset": "assets",
    "AssetCheck": "checks",
    "AssetCheckResult": "checks",
    "AssetProperties": "assets",
    "AsyncioTaskRunner": "runners.threads",
    "CacheKeyFnPolicy": "cache_policies",
    "CachePolicy": "cache_policies",
    "Cancelled": "states",
    "CommitMode": "transactions",
    "Completed": "states",
    "ConcurrencyLimitConfig": "deployments",
    "DaskTaskRunner": "runners.dask",
    "Deployment": "deployments",
    "Failed": "states",
    "Flow": "flowdef",
    "IsolationLevel": "cache_policies",
    "MaterializingTask": "assets",
    "ProcessPoolTaskRunner": "runners.processes",
    "RunFuture": "runfuture",
    "RunInput": "interaction",
    "State": "states",
    "StateType": "states",
    "Task": "taskdef",
    "TaskFuture": "futures",
    "TaskFutureList": "futures",
    "TaskRunner": "runners.base",
    "ThreadPoolTaskRunner": "runners.threads",
    "Transaction": "transactions",
    "acreate_image_artifact": "artifacts",
    "acreate_link_artifact": "artifacts",
    "acreate_markdown_artifact": "artifacts",
    "acreate_progress_artifact": "artifacts",
    "acreate_table_artifact": "artifacts",
    "add_asset_metadata": "assets",
    "allow_failure": "annotations",
    "apause_flow_run": "interaction",
    "aresume_flow_run": "interaction",
    "arun_deployment": "remote",
    "as_completed": "futures",
    "asset": "assets",
    "asset_check": "checks",
    "asuspend_flow_run": "interaction",
    "aupdate_progress_artifact": "artifacts",
    "concurrency": "limits",
    "create_image_artifact": "artifacts",
    "create_link_artifact": "artifacts",
    "create_markdown_artifact": "artifacts",
    "create_progress_artifact": "artifacts",
    "create_table_artifact": "artifacts",
    "emit_event": "emitting",
    "exponential_backoff": "options",
    "flow": "flowdef",
    "get_run_logger": "logs",
    "get_transaction": "transactions",
    "materialize": "assets",
    "pause_flow_run": "interaction",
    "quote": "annotations",
    "rate_limit": "rates",
    "resume_flow_run": "interaction",
    "run_deployment": "remote",
    "runtime": "runtime",
    "suspend_flow_run": "interaction",
    "tags": "tagging",
    "task": "taskdef",
    "task_input_hash": "cache_policies",
    "transaction": "transacting",
    "unmapped": "annotations",
    "update_progress_artifact": "artifacts",
    "wait": "futures",
    "wait_for_event": "waiting",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module, once."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{_MODULE_OF[name]}", __name__)
    value = module if name == "runtime" else getattr(module, name)
    globals()[name] = value
    return value
