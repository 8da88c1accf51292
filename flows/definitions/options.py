"""The options of flows and tasks: which there are, which make no sense, and what follows from some.

The two typed dictionaries are the one list of them; :func:`flow` and :func:`task` explain each.
"""

from __future__ import annotations

import inspect
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypedDict

from ..calls.parameters import Signature
from ..exceptions import InvalidParameters
from ..states import legible

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from ..data.assets import Dependency
    from ..results.cache_policies import CacheKeyFn, CachePolicy
    from ..runners.base import TaskRunner
    from ..transactions.transaction import Transaction

LONGEST_NAME: Final = 200
MOST_TAGS: Final = 32

Delays: TypeAlias = float | Sequence[float] | Callable[[int], Sequence[float]]
"""Seconds before each retry: the same each time, one after the other, or made from their number."""

Hooks: TypeAlias = Iterable[Callable[[Any, Any, Any], Any]]
"""Called with the flow or task, its run and the state that the run entered."""

TransactionHook: TypeAlias = "Callable[[Transaction], Any]"
"""Called with the transaction of the task run that is undone, or done for good."""

Naming: TypeAlias = str | Callable[[], str] | Callable[[dict[str, Any]], str]
"""Template of runs' names, or what makes them: of nothing, or of ``parameters``."""


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


def check_known(options: Mapping[str, Any], known: frozenset[str], by: str) -> None:
    """Refuse options that there are not; ``by`` is the decorator that takes the others.

    Raises:
        TypeError: naming them.
    """
    if unknown := sorted(options.keys() - known):
        raise TypeError(f"@{by} takes no {', '.join(unknown)}; it takes {', '.join(sorted(known))}")


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse options that make no sense, where they are given.

    Raises:
        ValueError: naming the option.
    """
    for name, check in _CHECKS.items():
        if name in options:
            check(options[name])


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name or "/" in name or len(name) > LONGEST_NAME:
        shown = repr(name)[:40]
        raise ValueError(f"name: {shown} must have 1 to {LONGEST_NAME} characters, no '/'")


def _check_tags(tags: tuple[str, ...]) -> None:
    if len(tags) > MOST_TAGS or not all(0 < len(tag) <= LONGEST_NAME for tag in tags):
        raise ValueError(f"tags: at most {MOST_TAGS}, of 1 to {LONGEST_NAME} characters each")


def _check_retries(retries: object) -> None:
    if not isinstance(retries, int) or retries < 0:
        raise ValueError("retries: must be 0 or more")


def _check_delays(delays: object) -> None:
    if callable(delays):
        return
    each = list(delays) if isinstance(delays, Sequence) and delays != "" else [delays]
    if not all(_is_duration(delay) for delay in each):
        raise ValueError("retry_delay_seconds: must be seconds, 0 or more, or a list of them")


def _check_jitter(factor: object) -> None:
    if not _is_duration(factor):
        raise ValueError("retry_jitter_factor: must be a number, 0 or more")


def _check_timeout(seconds: object) -> None:
    if not (_is_duration(seconds) and seconds):
        raise ValueError("timeout_seconds: must be more than 0")


def _check_condition(condition: object) -> None:
    if not callable(condition):
        raise TypeError("retry_condition_fn: must be callable")


def _check_runner(runner: object) -> None:
    from ..runners.base import TaskRunner

    if not isinstance(runner, TaskRunner):
        raise TypeError(f"task_runner: must be a task runner, not {runner!r}")


def _check_rule(rule: object) -> None:
    from ..taskruns.triggering import RULES

    if rule not in RULES:
        raise ValueError(f"trigger_rule: {rule!r} is none of {', '.join(RULES)}")


def _check_assets(given: object) -> None:
    from ..data.assets import as_assets

    as_assets("asset_deps", given)


def _check_keeping(name: str) -> Callable[[Any], None]:
    def check(value: object) -> None:
        from ..results.options import CHECKS

        CHECKS[name](value)

    return check


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


_CHECKS: Final[dict[str, Callable[[Any], None]]] = {
    "name": _check_name,
    "tags": _check_tags,
    "retries": _check_retries,
    "retry_delay_seconds": _check_delays,
    "retry_jitter_factor": _check_jitter,
    "retry_condition_fn": _check_condition,
    "timeout_seconds": _check_timeout,
    "task_runner": _check_runner,
    "trigger_rule": _check_rule,
    "asset_deps": _check_assets,
    **{
        name: _check_keeping(name)
        for name in (
            "cache_policy",
            "cache_key_fn",
            "cache_expiration",
            "result_storage",
            "result_serializer",
            "result_storage_key",
        )
    },
}


def delay_before(delays: Delays, retries: int, retry: int) -> float:
    """Return the seconds to wait before a retry, counted from 0; the last delay repeats."""
    if callable(delays):
        delays = delays(retries)
        _check_delays(delays)
    if isinstance(delays, int | float):
        return float(delays)
    return float(delays[min(retry, len(delays) - 1)]) if delays else 0.0


def jittered(delay: float, factor: float | None) -> float:
    """Return a delay at random, longer or shorter by up to ``factor`` times its length."""
    return random.uniform(max(0.0, delay * (1 - factor)), delay * (1 + factor)) if factor else delay


def exponential_backoff(backoff_factor: float) -> Callable[[int], list[float]]:
    """Return delays for ``retry_delay_seconds`` that double: the factor, twice it, four times it.

    Args:
        backoff_factor: seconds before the first retry.
    """

    def delays(retries: int) -> list[float]:
        return [backoff_factor * 2**retry for retry in range(min(retries, 50))]

    return delays


def check_function(fn: Callable[..., Any]) -> None:
    """Refuse what can not be called."""
    if not callable(fn):
        raise TypeError(f"a flow or task is made of a function, not of {fn!r}")


def is_coroutine_function(fn: Any) -> bool:
    """Tell whether calling it returns a coroutine, be it a function or an object."""
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(
        getattr(fn, "__call__", None)  # noqa: B004 - the method itself is asked about
    )


def name_from(
    template: Naming | None, kind: str, name: str, signature: Signature, bound: dict[str, Any]
) -> str | None:
    """Return a run's name by its template.

    Raises:
        InvalidParameters: the template names what is no parameter.
    """
    if template is None:
        return None
    if callable(template):
        return legible(_made(template, kind, name, signature.with_defaults(bound)), LONGEST_NAME)
    try:
        return legible(template.format(**signature.with_defaults(bound)), LONGEST_NAME)
    except (KeyError, IndexError, AttributeError, ValueError) as error:
        problem = f"{kind}_run_name: {template!r} does not work: {error!r}"
        raise InvalidParameters(problem) from error


def _made(maker: Callable[..., str], kind: str, name: str, parameters: dict[str, Any]) -> str:
    from ..runtime import naming

    takes_them = "parameters" in inspect.signature(maker).parameters
    with naming(kind, name, parameters):
        made = maker(parameters=parameters) if takes_them else maker()
    if not isinstance(made, str):
        raise InvalidParameters(f"{kind}_run_name: {maker!r} made {made!r}, which is no text")
    return made
