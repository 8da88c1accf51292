"""What the options of a task and its flow about results and caches say together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import runtime
from ..exceptions import Unhashable
from .cache_policies import (
    DEFAULT,
    NO_CACHE,
    CacheKeyFnPolicy,
    CachePolicy,
    IsolationLevel,
)
from .formats import Serializer

if TYPE_CHECKING:
    from ..definitions.definition import Definition
    from ..definitions.taskdef import Task
    from ..run_contexts import TaskRunContext


@dataclass(frozen=True)
class StorageKey(CachePolicy):
    """The name under which the result is stored is the key as well.

    Attributes:
        template: text that may name parameters (``"sales-{parameters[day]}.json"``), and what
            ``runtime.flow_run`` and the task run tell (``"{flow_run.name}/{task_run.name}"``).
    """

    template: str

    def compute_key(
        self, context: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any]
    ) -> str | None:
        try:
            name = self.template.format(
                parameters=inputs, flow_run=runtime.flow_run, task_run=context.task_run
            )
        except (KeyError, IndexError, AttributeError, ValueError, TypeError) as error:
            raise Unhashable(f"result_storage_key {self.template!r}: {error!r}") from error
        if ".." in name.split("/"):
            raise Unhashable(f"result_storage_key: {name!r} leads out of the storage")
        return name


@dataclass(frozen=True, slots=True)
class Keeping:
    """How the results of one task are kept within one flow.

    Attributes:
        required: one that can't be kept is an error. never: none is kept.
        storage: folder, or None for the one where results of the run lie anyway.
        policy: makes cache keys, or None for a task that caches nothing.
        serializable: whether one that others compute is waited for.
        expires: seconds for which a cached one counts, or None for ever.
    """

    required: bool
    never: bool
    storage: str | None
    serializer: Serializer
    policy: CachePolicy | None
    serializable: bool
    expires: float | None

    @property
    def pickles(self) -> bool:
        """Whether the author chose pickle."""
        return self.serializer.endswith("pickle")


def keeping_of(task: Task[..., Any], flow: Definition[..., Any] | None) -> Keeping:
    """Return what a task's options say, and its flow's where it has none."""
    persist = task.persist_result
    policy = _policy_of(task)
    if persist is None and flow is not None and policy is None:
        persist = flow.persist_result
    storage = task.result_storage or (flow.result_storage if flow is not None else None)
    serializer = task.result_serializer or (flow.result_serializer if flow is not None else None)
    level = policy.isolation_level if policy is not None else None
    return Keeping(
        required=persist is True,
        never=persist is False,
        storage=_absolute(storage),
        serializer=serializer or "json",
        policy=None if persist is False else policy,
        serializable=level is IsolationLevel.SERIALIZABLE,
        expires=_seconds(task.cache_expiration),
    )


def _policy_of(task: Task[..., Any]) -> CachePolicy | None:
    """Return the policy that was chosen, or the one that goes with what else was."""
    if task.cache_key_fn is not None:
        return CacheKeyFnPolicy(task.cache_key_fn)
    if task.cache_policy is not None:
        return None if task.cache_policy is NO_CACHE else task.cache_policy
    if task.result_storage_key is not None:
        return StorageKey(task.result_storage_key)
    chosen = (task.persist_result, task.cache_expiration, task.refresh_cache or None)
    return DEFAULT if any(chosen) else None


def _absolute(storage: str | Path | None) -> str | None:
    """Return an address that means the same in every process."""
    if storage is None or "://" in str(storage):
        return None if storage is None else str(storage)
    return str(Path(storage).expanduser().absolute())


def _seconds(expiration: timedelta | float | None) -> float | None:
    return expiration.total_seconds() if isinstance(expiration, timedelta) else expiration
