"""What of the options about results and caches makes no sense, and what a task's say together."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..exceptions import Unhashable
from .cache_policies import (
    DEFAULT,
    NO_CACHE,
    CacheKeyFnPolicy,
    CachePolicy,
    IsolationLevel,
)
from .formats import SERIALIZERS, Serializer

if TYPE_CHECKING:
    from ..definitions.definition import Definition
    from ..definitions.taskdef import Task
    from ..running import TaskRunContext


def _check_cache_policy(policy: object) -> None:
    if not isinstance(policy, CachePolicy):
        raise TypeError(f"cache_policy: must be a CachePolicy, not {policy!r}")


def _check_cache_key_fn(function: object) -> None:
    if not callable(function):
        raise TypeError("cache_key_fn: must be callable")


def _check_cache_expiration(expiration: Any) -> None:
    seconds = expiration.total_seconds() if isinstance(expiration, timedelta) else expiration
    if not (isinstance(seconds, int | float) and math.isfinite(seconds) and seconds > 0):
        raise ValueError("cache_expiration: must be more than 0 seconds")


def _check_result_storage(storage: object) -> None:
    if not isinstance(storage, str | Path) or not str(storage):
        raise TypeError(f"result_storage: must be a path or an address, not {storage!r}")
    protocol, separator, _ = str(storage).partition("://")
    if separator:
        from fsspec import available_protocols

        if protocol.rpartition("::")[2] not in available_protocols():
            raise ValueError(f"result_storage: fsspec knows no {protocol!r}")


def _check_result_serializer(serializer: object) -> None:
    if serializer not in SERIALIZERS:
        raise ValueError(f"result_serializer: {serializer!r} is none of {', '.join(SERIALIZERS)}")


def _check_result_storage_key(key: object) -> None:
    if not isinstance(key, str) or not key or key.startswith("/") or ".." in key.split("/"):
        raise ValueError("result_storage_key: must be a name, or names with / between them")


CHECKS: Final[dict[str, Callable[[Any], None]]] = {
    "cache_policy": _check_cache_policy,
    "cache_key_fn": _check_cache_key_fn,
    "cache_expiration": _check_cache_expiration,
    "result_storage": _check_result_storage,
    "result_serializer": _check_result_serializer,
    "result_storage_key": _check_result_storage_key,
}
"""What refuses a value of each option, naming it."""


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
        from .. import runtime

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
