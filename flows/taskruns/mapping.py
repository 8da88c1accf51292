"""Maps: a task is submitted once for each item of what its call is given."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..annotations import allow_failure, quote, unmapped
from ..calls.futures import TaskFuture, TaskFutureList
from ..context import Here
from ..exceptions import MappingError
from ..states import State
from .calling import submit

if TYPE_CHECKING:
    from ..definitions.taskdef import Task


def map_task(
    task: Task[..., Any],
    place: Here | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> TaskFutureList[Any] | list[State]:
    """Submit one call for each item of the iterable parameters."""
    as_states, waited = task.call_options(kwargs)
    bound = task.signature.bind(args, kwargs)
    series = {name: list(_items(value)) for name, value in bound.items() if _iterates(value)}
    fixed = {name: _plain(value) for name, value in bound.items() if name not in series}
    futures = TaskFutureList[Any]()
    for number in range(_length(task.name, series)):
        one = {**fixed, **{name: items[number] for name, items in series.items()}}
        futures.append(submit(task, place, *task.signature.call_of(one), waited))
    if as_states:
        return [future.wait() or future.state for future in futures]
    return futures


def _length(name: str, series: dict[str, list[Any]]) -> int:
    lengths = {parameter: len(items) for parameter, items in series.items()}
    if not lengths:
        raise MappingError(f"{name}.map() got no iterable to map over")
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{parameter}: {length}" for parameter, length in lengths.items())
        raise MappingError(f"{name}.map() got iterables of different lengths ({shown})")
    return next(iter(lengths.values()))


def _iterates(value: Any) -> bool:
    if isinstance(value, allow_failure):
        return _iterates(value.value)
    if isinstance(value, unmapped | quote | str | bytes | bytearray | io.IOBase):
        return False
    return isinstance(value, TaskFuture) or hasattr(value, "__iter__")


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, allow_failure):
        return (allow_failure(item) for item in _items(value.value))
    found: Iterable[Any] = value.result() if isinstance(value, TaskFuture) else value
    return found


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, unmapped) else value
