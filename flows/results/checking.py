"""Checks of the options about results and caches, which load only where one is given."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from .cache_policies import CachePolicy
from .formats import SERIALIZERS


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
