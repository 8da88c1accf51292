"""Flows and tasks: what users write, and how it runs. Each name loads when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upshot.events.lazy import face

if TYPE_CHECKING:
    from .annotations import allow_failure as allow_failure, quote as quote, unmapped as unmapped
    from .calls.futures import (
        TaskFuture as TaskFuture,
        TaskFutureList as TaskFutureList,
        as_completed as as_completed,
        wait as wait,
    )
    from .data.artifacts import (
        acreate_image_artifact as acreate_image_artifact,
        acreate_link_artifact as acreate_link_artifact,
        acreate_markdown_artifact as acreate_markdown_artifact,
        acreate_progress_artifact as acreate_progress_artifact,
        acreate_table_artifact as acreate_table_artifact,
        aupdate_progress_artifact as aupdate_progress_artifact,
        create_image_artifact as create_image_artifact,
        create_link_artifact as create_link_artifact,
        create_markdown_artifact as create_markdown_artifact,
        create_progress_artifact as create_progress_artifact,
        create_table_artifact as create_table_artifact,
        update_progress_artifact as update_progress_artifact,
    )
    from .data.assets import (
        Asset as Asset,
        AssetProperties as AssetProperties,
        MaterializingTask as MaterializingTask,
        add_asset_metadata as add_asset_metadata,
        asset as asset,
        materialize as materialize,
    )
    from .data.checks import (
        AssetCheck as AssetCheck,
        AssetCheckResult as AssetCheckResult,
        asset_check as asset_check,
    )
    from .data.variables import Variable as Variable
    from .definitions.flowdef import Flow as Flow, flow as flow
    from .definitions.delays import exponential_backoff as exponential_backoff
    from .definitions.tagging import tags as tags
    from .definitions.taskdef import Task as Task, task as task
    from .deployments.deployment import (
        ConcurrencyLimitConfig as ConcurrencyLimitConfig,
        Deployment as Deployment,
    )
    from .deployments.making import deploy as deploy
    from .deployments.remote import (
        arun_deployment as arun_deployment,
        run_deployment as run_deployment,
    )
    from .deployments.runfuture import (
        RunFuture as RunFuture,
        wait_for_flow_run as wait_for_flow_run,
    )
    from .deployments.serving import serve as serve
    from .emitting import emit_event as emit_event
    from .exceptions import MissingResult as MissingResult
    from .limits.concurrency import concurrency as concurrency
    from .limits.rates import rate_limit as rate_limit
    from .logs.capturing import get_run_logger as get_run_logger
    from .results.cache_policies import (
        DEFAULT as DEFAULT,
        FLOW_PARAMETERS as FLOW_PARAMETERS,
        INPUTS as INPUTS,
        NO_CACHE as NO_CACHE,
        RUN_ID as RUN_ID,
        TASK_SOURCE as TASK_SOURCE,
        CacheKeyFnPolicy as CacheKeyFnPolicy,
        CachePolicy as CachePolicy,
        IsolationLevel as IsolationLevel,
        task_input_hash as task_input_hash,
    )
    from .runners.base import TaskRunner as TaskRunner
    from .runners.dask import DaskTaskRunner as DaskTaskRunner
    from .runners.processes import ProcessPoolTaskRunner as ProcessPoolTaskRunner
    from .runners.threads import (
        AsyncioTaskRunner as AsyncioTaskRunner,
        ConcurrentTaskRunner as ConcurrentTaskRunner,
        ThreadPoolTaskRunner as ThreadPoolTaskRunner,
    )
    from .run_contexts import get_run_context as get_run_context
    from .states import (
        Cancelled as Cancelled,
        Completed as Completed,
        Crashed as Crashed,
        Failed as Failed,
        State as State,
        StateType as StateType,
    )
    from .transactions.transacting import atransaction as atransaction, transaction as transaction
    from .transactions.transaction import (
        CommitMode as CommitMode,
        Transaction as Transaction,
        TransactionState as TransactionState,
        get_transaction as get_transaction,
    )
    from .waiting.events import wait_for_event as wait_for_event
    from .waiting.interaction import (
        RunInput as RunInput,
        apause_flow_run as apause_flow_run,
        aresume_flow_run as aresume_flow_run,
        asuspend_flow_run as asuspend_flow_run,
        pause_flow_run as pause_flow_run,
        resume_flow_run as resume_flow_run,
        suspend_flow_run as suspend_flow_run,
    )
    from .waiting.receiving import receive_input as receive_input
    from .waiting.sending import send_input as send_input
else:
    __getattr__ = face(
        __name__,
        {
            ".annotations": "allow_failure quote unmapped",
            ".calls.futures": "TaskFuture TaskFutureList as_completed wait",
            ".data.artifacts": """
                acreate_image_artifact acreate_link_artifact acreate_markdown_artifact
                acreate_progress_artifact acreate_table_artifact aupdate_progress_artifact
                create_image_artifact create_link_artifact create_markdown_artifact
                create_progress_artifact create_table_artifact update_progress_artifact
            """,
            ".data.assets": """
                Asset AssetProperties MaterializingTask add_asset_metadata asset materialize
            """,
            ".data.checks": "AssetCheck AssetCheckResult asset_check",
            ".data.variables": "Variable",
            ".definitions.flowdef": "Flow flow",
            ".definitions.delays": "exponential_backoff",
            ".definitions.tagging": "tags",
            ".definitions.taskdef": "Task task",
            ".deployments.deployment": "ConcurrencyLimitConfig Deployment",
            ".deployments.making": "deploy",
            ".deployments.remote": "arun_deployment run_deployment",
            ".deployments.runfuture": "RunFuture wait_for_flow_run",
            ".deployments.serving": "serve",
            ".emitting": "emit_event",
            ".exceptions": "MissingResult",
            ".limits.concurrency": "concurrency",
            ".limits.rates": "rate_limit",
            ".logs.capturing": "get_run_logger",
            ".results.cache_policies": """
                DEFAULT FLOW_PARAMETERS INPUTS NO_CACHE RUN_ID TASK_SOURCE CacheKeyFnPolicy
                CachePolicy IsolationLevel task_input_hash
            """,
            ".runners.base": "TaskRunner",
            ".runners.dask": "DaskTaskRunner",
            ".runners.processes": "ProcessPoolTaskRunner",
            ".runners.threads": "AsyncioTaskRunner ConcurrentTaskRunner ThreadPoolTaskRunner",
            ".run_contexts": "get_run_context",
            ".states": "Cancelled Completed Crashed Failed State StateType",
            ".transactions.transacting": "atransaction transaction",
            ".transactions.transaction": "CommitMode Transaction TransactionState get_transaction",
            ".waiting.events": "wait_for_event",
            ".waiting.interaction": """
                RunInput apause_flow_run aresume_flow_run asuspend_flow_run pause_flow_run
                resume_flow_run suspend_flow_run
            """,
            ".waiting.receiving": "receive_input",
            ".waiting.sending": "send_input",
        },
    )
