"""Futures in the arguments of a call: found, and replaced by their results.

They are looked for in lists, tuples, sets and dicts, in each of these once: values may hold
themselves, or reach the same part in many ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from .futures import TaskFuture, TaskFutureList
from .states import State

_LEAVES: Final = frozenset({int, str, float, bool, bytes, type(None)})
_DEEPEST: Final = 32


def futures_in(value: Any) -> list[TaskFuture[Any]]:
    """Return the futures in a value, itself included."""
    if type(value) in _LEAVES:
        return []
    return [found for found in _outcomes(value, _DEEPEST, set()) if isinstance(found, TaskFuture)]


def resolve(value: Any) -> Any:
    """Replace each future, and each state, by its result; raises what it failed with."""
    if type(value) in _LEAVES or not _holds(value):
        return value
    if isinstance(value, TaskFuture | State):
        return value.result()
    if isinstance(value, dict):
        return {key: resolve(item) for key, item in value.items()}
    items = [resolve(item) for item in value]
    if isinstance(value, TaskFutureList):
        return items
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


def _holds(value: Any) -> bool:
    return next(_outcomes(value, _DEEPEST, set()), None) is not None


def _outcomes(value: Any, depth: int, seen: set[int]) -> Iterator[TaskFuture[Any] | State]:
    if isinstance(value, TaskFuture | State):
        yield value
    elif depth and isinstance(value, dict | list | tuple | set | frozenset):
        if id(value) in seen:
            return
        seen.add(id(value))
        for item in value.values() if isinstance(value, dict) else value:
            if type(item) not in _LEAVES:
                yield from _outcomes(item, depth - 1, seen)
