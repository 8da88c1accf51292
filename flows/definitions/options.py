"""The options of flows and tasks: the typed dictionaries are the one list of them.

:func:`flow` and :func:`task` explain each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from .delays import Delays
from .run_names import Naming

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from ..data.assets import Dependency
    from ..results.cache_policies import CacheKeyFn, CachePolicy
    from ..runners.base import TaskRunner
    from ..transactions.transaction import Transaction

Hooks: TypeAlias = Iterable[Callable[[Any, Any, Any], Any]]
"""Called with the flow or task, its run and the state that the run entered."""

TransactionHook: TypeAlias = "Callable[[Transaction], Any]"
"""Called with the transaction of the task run that is undone, or done for good."""


class RunOptions(TypedDict, total=False):
    """What flows and tasks both take; None is as if it was not given."""

    name: str | None
    description: str | None
    version: str | None
    tags: Iterable[str] | None
    retries: int | None
    retry_delay_seconds: Delays | None
    timeout_seconds: float | None
    log_prints: bool | None
    persist_result: bool | None
    result_storage: str | Path | None
    result_serializer: str | None
    on_running: Hooks | None
    on_completion: Hooks | None
    on_failure: Hooks | None
    on_cancellation: Hooks | None
    on_crashed: Hooks | None


class FlowOptions(RunOptions, total=False):
    """What ``@flow`` takes."""

    validate_parameters: bool | None
    flow_run_name: Naming | None
    task_runner: TaskRunner | None


class TaskOptions(RunOptions, total=False):
    """What ``@task`` takes."""

    retry_jitter_factor: float | None
    retry_condition_fn: Callable[[Any, Any, Any], bool] | None
    task_run_name: Naming | None
    trigger_rule: str | None
    cache_policy: CachePolicy | None
    cache_key_fn: CacheKeyFn | None
    cache_expiration: timedelta | float | None
    refresh_cache: bool | None
    result_storage_key: str | None
    asset_deps: Iterable[Dependency] | None
    on_rollback: Iterable[TransactionHook] | None
    on_commit: Iterable[TransactionHook] | None
