"""Checks of the options about results and caches, which load only where one is given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from ..exceptions import WrongArgument
from ..given import FUNCTION, LONGEST, is_text, require, wrong
from .cache_policies import CachePolicy
from .formats import SERIALIZERS


def _check_cache_policy(policy: object) -> None:
    if not isinstance(policy, CachePolicy):
        raise wrong("cache_policy", policy, "must be a CachePolicy")


def _check_cache_key_fn(function: object) -> None:
    require(FUNCTION, cache_key_fn=function)


def _check_cache_expiration(expiration: Any) -> None:
    seconds = expiration.total_seconds() if isinstance(expiration, timedelta) else expiration
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not (is_number and 0 < seconds <= 100 * LONGEST):  # centuries mean for ever
        raise wrong("cache_expiration", expiration, "must be more than 0 seconds, or a timedelta")


def _check_result_storage(storage: object) -> None:
    if not isinstance(storage, str | Path) or not is_text(str(storage)) or not str(storage):
        raise wrong("result_storage", storage, "must be a path or an address")
    protocol, separator, _ = str(storage).partition("://")
    if separator:
        from fsspec import available_protocols

        if protocol.rpartition("::")[2] not in available_protocols():
            raise WrongArgument(f"result_storage: fsspec knows no {protocol!r}")


def _check_result_serializer(serializer: object) -> None:
    if not isinstance(serializer, str) or serializer not in SERIALIZERS:
        raise wrong("result_serializer", serializer, f"must be one of {', '.join(SERIALIZERS)}")


def _check_result_storage_key(key: object) -> None:
    named = isinstance(key, str) and is_text(key) and key and not key.startswith("/")
    if not (named and ".." not in str(key).split("/")):
        raise wrong("result_storage_key", key, "must be a name, or names with / between them")


CHECKS: Final[dict[str, Callable[[Any], None]]] = {
    "cache_policy": _check_cache_policy,
    "cache_key_fn": _check_cache_key_fn,
    "cache_expiration": _check_cache_expiration,
    "result_storage": _check_result_storage,
    "result_serializer": _check_result_serializer,
    "result_storage_key": _check_result_storage_key,
}
"""What refuses a value of each option, naming it."""
