"""Checks of the options of flows and tasks, where these are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from .delays import check_delays, is_duration
from .run_names import LONGEST_NAME

MOST_TAGS: Final = 32


def check_known(options: Mapping[str, Any], known: frozenset[str], by: str) -> None:
    """Refuse options that there are not; ``by`` is the decorator that takes the others.

    Raises:
        TypeError: naming them.
    """
    if unknown := sorted(options.keys() - known):
        raise TypeError(f"@{by} takes no {', '.join(unknown)}; it takes {', '.join(sorted(known))}")


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


def _check_jitter(factor: object) -> None:
    if not is_duration(factor):
        raise ValueError("retry_jitter_factor: must be a number, 0 or more")


def _check_timeout(seconds: object) -> None:
    if not (is_duration(seconds) and seconds):
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
        from ..results.checking import CHECKS

        CHECKS[name](value)

    return check


_CHECKS: Final[dict[str, Callable[[Any], None]]] = {
    "name": _check_name,
    "tags": _check_tags,
    "retries": _check_retries,
    "retry_delay_seconds": check_delays,
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
