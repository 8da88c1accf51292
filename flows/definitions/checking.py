"""Checks of the options of flows and tasks, where these are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..exceptions import WrongArgument
from ..given import FLAG, FUNCTION, TEXT, Kind, is_text, require_each, whole, wrong
from .delays import DELAYS, is_duration
from .run_names import LONGEST_NAME

MOST_TAGS: Final = 32


def check_known(options: Mapping[str, Any], known: frozenset[str], by: str) -> None:
    """Refuse options that there are not; ``by`` is the decorator that takes the others.

    Raises:
        WrongArgument: naming them.
    """
    if unknown := sorted(options.keys() - known):
        import difflib  # a millisecond that only a mistake is worth

        takes = ", ".join(sorted(known))
        near = difflib.get_close_matches(unknown[0], sorted(known), n=1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        raise WrongArgument(f"@{by} takes no {', '.join(unknown)}{meant}; it takes {takes}")


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse options that make no sense, where they are given.

    Raises:
        WrongArgument: naming the option.
    """
    require_each(_KINDS, options)
    checks = _CHECKS
    if not _OF_RESULTS.isdisjoint(options):
        from ..results.checking import CHECKS

        checks = {**_CHECKS, **CHECKS}
    for name, check in checks.items():
        if name in options:
            check(options[name])


def _is_name(name: object) -> bool:
    return is_text(name) and 0 < len(str(name)) <= LONGEST_NAME and "/" not in str(name)


def _check_tags(tags: tuple[str, ...]) -> None:
    if len(tags) > MOST_TAGS or not all(0 < len(tag) <= LONGEST_NAME for tag in tags):
        raise wrong("tags", tags, f"at most {MOST_TAGS}, of 1 to {LONGEST_NAME} characters each")


def _check_runner(runner: object) -> None:
    from ..runners.base import TaskRunner

    if not isinstance(runner, TaskRunner) or isinstance(runner, type):
        raise wrong("task_runner", runner, "must be a task runner")


def _check_rule(rule: object) -> None:
    from ..taskruns.triggering import RULES

    if not isinstance(rule, str) or rule not in RULES:
        raise wrong("trigger_rule", rule, f"must be one of {', '.join(RULES)}")


def _check_assets(given: object) -> None:
    from ..data.assets import as_assets

    as_assets("asset_deps", given)


_NAMING: Final = Kind("a text or a function", lambda given: is_text(given) or callable(given))

_KINDS: Final[dict[str, Kind]] = {
    "name": Kind(f"a text of 1 to {LONGEST_NAME} characters, no '/'", _is_name),
    "description": TEXT,
    "version": TEXT,
    "retries": whole(0),
    "retry_delay_seconds": DELAYS,
    "retry_jitter_factor": Kind("a number, 0 or more", is_duration),
    "retry_condition_fn": FUNCTION,
    "timeout_seconds": Kind(
        "a number of seconds, more than 0", lambda given: is_duration(given) and given > 0
    ),
    "log_prints": FLAG,
    "validate_parameters": FLAG,
    "persist_result": FLAG,
    "refresh_cache": FLAG,
    "flow_run_name": _NAMING,
    "task_run_name": _NAMING,
    "by": TEXT,
}

_OF_RESULTS: Final = frozenset({
    "cache_policy", "cache_key_fn", "cache_expiration",
    "result_storage", "result_serializer", "result_storage_key",
})  # fmt: skip
"""Options whose checks load only where one is given."""

_CHECKS: Final[dict[str, Callable[[Any], None]]] = {
    "tags": _check_tags,
    "task_runner": _check_runner,
    "trigger_rule": _check_rule,
    "asset_deps": _check_assets,
}
