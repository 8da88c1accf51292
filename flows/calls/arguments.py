"""Futures in the arguments of a call: found, and replaced by their results.

They are looked for in lists, tuples, sets and dicts, in each of these once: values may hold
themselves, or reach the same part in many ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ..annotations import Annotation, allow_failure, quote
from ..states import State
from .futures import TaskFuture, TaskFutureList

_LEAVES: Final = frozenset({int, str, float, bool, bytes, type(None)})
_HOLDERS: Final = (dict, list, tuple, set, frozenset)
_DEEPEST: Final = 32


@dataclass(frozen=True, slots=True)
class Needed:
    """An outcome that a call needs.

    Attributes:
        outcome: a future, or the state that something ended in.
        allowed: whether the call runs though it failed.
    """

    outcome: TaskFuture[Any] | State
    allowed: bool = False

    @property
    def name(self) -> str:
        return self.outcome.name if isinstance(self.outcome, TaskFuture) else "in its arguments"

    @property
    def state(self) -> State:
        return self.outcome.state if isinstance(self.outcome, TaskFuture) else self.outcome


def found_in(value: Any) -> list[Any]:
    """Return the futures, states and annotations in a value, itself included."""
    return [] if type(value) in _LEAVES else list(_found(value, _DEEPEST, set()))


def needed_of(found: Iterable[Any]) -> Iterator[Needed]:
    """Yield the outcomes behind what was found; what is in a quote is none."""
    for each in found:
        if isinstance(each, TaskFuture | State):
            yield Needed(each)
        elif not isinstance(each, quote):
            allowed = isinstance(each, allow_failure)
            for needed in needed_of(found_in(each.value)):
                yield Needed(needed.outcome, allowed or needed.allowed)


def futures_in(value: Any) -> list[TaskFuture[Any]]:
    """Return the futures in a value, itself included."""
    found = (needed.outcome for needed in needed_of(found_in(value)))
    return [outcome for outcome in found if isinstance(outcome, TaskFuture)]


def resolve(value: Any, *, raising: bool = True) -> Any:
    """Replace each future, and each state, by its result, and each annotation by what it is on.

    Args:
        raising: raise what one failed with, where that is not allowed; else it is the result.
    """
    if type(value) in _LEAVES or isinstance(value, quote):
        return value.value if isinstance(value, quote) else value
    if isinstance(value, Annotation):
        return resolve(value.value, raising=raising and not isinstance(value, allow_failure))
    if isinstance(value, TaskFuture | State):
        return value.result(raise_on_failure=raising)
    return _rebuilt(value, raising) if _holds(value) else value


def _rebuilt(value: Any, raising: bool) -> Any:
    if isinstance(value, dict):
        return {key: resolve(item, raising=raising) for key, item in value.items()}
    items = [resolve(item, raising=raising) for item in value]
    if isinstance(value, TaskFutureList):
        return items
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


def _holds(value: Any) -> bool:
    return next(_found(value, _DEEPEST, set()), None) is not None


def _found(value: Any, depth: int, seen: set[int]) -> Iterator[Any]:
    """Yield the futures, states and annotations in a value; not what is in annotations."""
    if isinstance(value, TaskFuture | State | Annotation):
        yield value
    elif depth > 0 and isinstance(value, _HOLDERS):
        if id(value) in seen:
            return
        seen.add(id(value))
        for item in value.values() if isinstance(value, dict) else value:
            if type(item) not in _LEAVES:
                yield from _found(item, depth - 1, seen)
