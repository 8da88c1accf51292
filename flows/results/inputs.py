"""Tells the calls of a task apart by their inputs, the same way in every process."""

from __future__ import annotations

import io
import pickle
from hashlib import blake2b
from typing import Any, Final

from pydantic_core import to_json

from upshot.events.ids import new_id

from ..calls.futures import TaskFuture, TaskFutureList
from .formats import is_json

_MOST_PARTS: Final = 200_000
"""Parts of a value that are written one by one; one with more may be endless that way."""


def inputs_key(bound: dict[str, Any]) -> str:
    """Return a short key of the arguments: equal ones have equal keys.

    Futures count by the task runs that they belong to. What is neither JSON nor can be pickled
    gets a key that no other process comes to, so such a call is never taken for a done one.
    """
    try:
        body = to_json(bound) if is_json(bound) else _written(bound)
    except Exception:  # noqa: BLE001 - pickling runs code of the values' own
        return new_id()
    return blake2b(body, digest_size=8).hexdigest()


class _Endless(ValueError):
    """A value has too many parts to write each as often as it is met."""


class _Pickler(pickle.Pickler):
    """Writes the same bytes for equal values; nothing ever loads them."""

    _parts = 0

    def persistent_id(self, value: Any) -> Any:
        self._parts += 1
        if self._parts > _MOST_PARTS and self.fast:
            raise _Endless
        if isinstance(value, TaskFuture):
            return value.task_run_id
        if isinstance(value, set | frozenset):
            return sorted(_pickled(item) for item in value)
        if type(value) is TaskFutureList:
            return list(value)
        return None


def _written(value: Any) -> bytes:
    try:
        return _pickled(value)
    except ValueError:  # that, or it holds itself
        return _pickled(value, sharing=True)


def _pickled(value: Any, *, sharing: bool = False) -> bytes:
    buffer = io.BytesIO()
    pickler = _Pickler(buffer, protocol=5)
    pickler.fast = not sharing  # no memory of objects seen: sharing them does not change the bytes
    pickler.dump(value)
    return buffer.getvalue()
