"""Futures in the arguments of a call: found, and replaced by their results."""

from __future__ import annotations

from typing import Any, Final

from .futures import TaskFuture, TaskFutureList
from .states import State

_LEAVES: Final = frozenset({int, str, float, bool, bytes, type(None)})


def futures_in(value: Any) -> list[TaskFuture[Any]]:
    """Return the futures in a value: itself, or within lists, tuples, sets and dicts."""
    kind = type(value)
    if kind in _LEAVES:
        return []
    if isinstance(value, TaskFuture):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple | set | frozenset):
        return []
    return [future for item in value if type(item) not in _LEAVES for future in futures_in(item)]


def resolve(value: Any) -> Any:
    """Replace each future, and each state, by its result; raises what it failed with."""
    if type(value) in _LEAVES:
        return value
    if isinstance(value, TaskFuture | State):
        return value.result()
    if isinstance(value, dict):
        return {key: resolve(item) for key, item in value.items()} if _holds(value) else value
    if isinstance(value, list | tuple | set | frozenset) and _holds(value):
        items = [resolve(item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else _rebuild(value, items)
    return value


def _holds(value: Any) -> bool:
    items = value.values() if isinstance(value, dict) else value
    return any(
        type(item) not in _LEAVES
        and (
            isinstance(item, TaskFuture | State)
            or (isinstance(item, dict | list | tuple | set | frozenset) and _holds(item))
        )
        for item in items
    )


def _rebuild(value: Any, items: list[Any]) -> Any:
    return items if isinstance(value, TaskFutureList) else type(value)(items)
