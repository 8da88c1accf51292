"""Tells the calls of a task apart by their inputs, the same way in every process."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from pydantic_core import to_json

from upshot.events.ids import new_id

from ..results.formats import is_json
from ..results.stable import Write, stable
from .futures import TaskFuture, TaskFutureList


def inputs_key(bound: dict[str, Any]) -> str:
    """Return a short key of the arguments: equal ones have equal keys.

    Futures count by the task runs that they belong to. What is neither JSON nor can be pickled
    gets a key that no other process comes to, so such a call is never taken for a done one.
    """
    try:
        body = to_json(bound) if is_json(bound) else stable(bound, _stand, circular=True)
    except Exception:  # noqa: BLE001 - pickling runs code of the values' own
        return new_id()
    return blake2b(body, digest_size=8).hexdigest()


def _stand(value: Any, write: Write) -> Any:
    if isinstance(value, TaskFuture):
        return value.task_run_id
    if isinstance(value, set | frozenset):
        return sorted(map(write, value))
    return list(value) if type(value) is TaskFutureList else None
