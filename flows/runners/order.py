"""A task's function on its way to another process, and what comes back from there."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..context import Here
from ..exceptions import OutsideRun, Unpicklable
from ..results.formats import ResultFiles
from ..runs.flowrun import FlowRun
from .shipping import Shipped, dumped, ship

if TYPE_CHECKING:
    from ..definitions.taskdef import Task


@dataclass(frozen=True, slots=True)
class Said:
    """Something that is to be put into the journal; the parts are those of ``Journal.put``."""

    kind: str
    event: bytes
    task_run: str
    record: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """How the function ended: with what it returned, or the error that it raised."""

    value: Any = None
    error: BaseException | None = None

    def result(self) -> Any:
        """Return what it returned, or raise what it raised."""
        if self.error is not None:
            raise self.error
        return self.value


@dataclass(frozen=True, slots=True)
class Order:
    """What another process needs to run a task's function.

    Attributes:
        attempt: how often it was started, this time included. path: where modules are found.
        assets: that it materialises.
    """

    function: Shipped
    arguments: tuple[tuple[Any, ...], dict[str, Any]]
    seconds: float | None
    run: FlowRun
    task: str
    tags: tuple[str, ...]
    task_run: tuple[str, str, str]
    attempt: int
    prints: bool
    files: ResultFiles
    store_url: str
    assets: tuple[str, ...]


def pack(task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], place: Here) -> bytes:
    """Return the order to run a task's function.

    Raises:
        Unpicklable: naming the parameter, or the function.
    """
    made, context = place.task, place.context
    if made is None:
        raise OutsideRun(f"{task.name} is not called from a flow")
    order = Order(
        ship(task.body if task.is_generator else task.fn),
        (args, kwargs),
        task.timeout_seconds,
        context.flow_run,
        task.name,
        made.tags,
        (made.id, made.key, made.name),
        made.attempt,
        place.log_prints,
        context.files,
        context.journal.store.url,
        tuple(asset.key for asset in task.assets),
    )
    try:
        return dumped((sys.path, dumped(order)))
    except Exception as error:  # noqa: BLE001 - pickling runs code of the values' own
        raise _explained(task, args, kwargs, error) from None


def _explained(
    task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception
) -> Unpicklable:
    """Find out what it is that can not be pickled."""
    for name, value in task.signature.bind(args, kwargs).items():
        try:
            dumped(value)
        except Exception as its:  # noqa: BLE001 - as above
            return Unpicklable(f"{name}: can not be sent to another process: {its}")
    return Unpicklable(f"task {task.name} can not be sent to another process: {error}")
