"""Lineage: which assets are behind a value, so that what is made of it is known to be made of them.

A result is known by the task run that it is of, or by its identity as an object; small values that
many share (texts, numbers) are known only by their futures.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from ..calls.futures import TaskFuture
    from ..context import RunContext

Keys: TypeAlias = frozenset[str]

_SHARED: Final = (str, bytes, int, float, complex, bool, type(None), type)
_MOST_VALUES: Final = 64
"""Values without weak references that are kept from being forgotten."""
_MOST_ITEMS: Final = 200


class Lineage:
    """What is known within one outermost run of this process."""

    def __init__(self) -> None:
        self._of_task: dict[str, Keys] = {}
        self._of_value: OrderedDict[int, tuple[Callable[[], Any], Keys]] = OrderedDict()
        self._lock = threading.Lock()

    def tell(self, task_run_id: str, keys: Keys) -> None:
        """Note which assets are behind the result of a task run."""
        self._of_task[task_run_id] = keys

    def remember(self, value: Any, keys: Keys) -> None:
        """Note which assets are behind a value."""
        if isinstance(value, _SHARED) or not keys:
            return
        kept = _reference(value)
        with self._lock:
            self._of_value.pop(id(value), None)
            self._of_value[id(value)] = kept, keys
            while len(self._of_value) > _MOST_VALUES:
                self._of_value.popitem(last=False)

    def behind(self, values: Iterable[Any], futures: Iterable[TaskFuture[Any]]) -> Keys:
        """Return the assets behind the arguments of a call."""
        found: set[str] = set()
        for future in futures:
            found |= self._of_task.get(future.task_run_id, frozenset())
        if self._of_value:
            for value in _parts(values):
                found |= self._known(value)
        return frozenset(found)

    def _known(self, value: Any) -> Keys:
        with self._lock:
            refers, keys = self._of_value.get(id(value), (None, frozenset()))
        return keys if refers is not None and refers() is value else frozenset()


def _parts(values: Iterable[Any]) -> Iterator[Any]:
    """Yield values, and what is right inside of those that hold others."""
    for value in values:
        yield value
        inner = value.values() if isinstance(value, dict) else value
        if isinstance(value, dict | list | tuple | set | frozenset) and len(value) <= _MOST_ITEMS:
            yield from inner


def _reference(value: Any) -> Callable[[], Any]:
    try:
        return weakref.ref(value)
    except TypeError:
        return lambda: value


def lineage_of(context: RunContext) -> Lineage | None:
    """Return what is known within a run and those that it is a part of; None where none is."""
    return context.outermost.lineage


def begun_lineage(context: RunContext) -> Lineage:
    """Return the same, from now on there."""
    context = context.outermost
    if context.lineage is None:
        context.lineage = Lineage()
    return context.lineage
