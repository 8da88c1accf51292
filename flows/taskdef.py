"""Tasks: functions whose calls within a flow are recorded, retried, timed and kept."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable
from functools import cached_property, partial, update_wrapper
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from .context import Here, here
from .exceptions import OutsideRun
from .options import (
    Delays,
    bound_method,
    check_function,
    check_options,
    delay_before,
    is_coroutine_function,
    name_from,
)
from .parameters import Signature

if TYPE_CHECKING:
    from .futures import TaskFuture, TaskFutureList

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Task(Generic[P, R]):
    """A function that flows call as a task; made by :func:`task`, which describes the parameters.

    Called in a flow it runs and returns what the function returns. Called elsewhere it is the
    plain function. In a flow, each call also takes ``return_state`` (True returns how it ended)
    and ``wait_for`` (futures that must have ended well before it runs).
    """

    def __init__(
        self,
        fn: Callable[P, R],
        *,
        name: str | None = None,
        description: str | None = None,
        tags: Iterable[str] | None = None,
        retries: int = 0,
        retry_delay_seconds: Delays = 0,
        timeout_seconds: float | None = None,
        log_prints: bool | None = None,
        task_run_name: str | Callable[[], str] | None = None,
    ) -> None:
        check_function(fn)
        update_wrapper(self, fn)  # first, as it copies the function's own attributes as well
        self.fn: Callable[..., Any] = fn
        self.name: str = name or str(getattr(fn, "__name__", type(fn).__name__))
        self.description = description or inspect.getdoc(fn) or ""
        self.tags = tuple(sorted(set(tags or ())))
        self.retries = retries
        self.retry_delay_seconds = retry_delay_seconds
        self.timeout_seconds = timeout_seconds
        self.log_prints = log_prints
        self.task_run_name = task_run_name
        self.is_async = is_coroutine_function(fn)
        check_options(self.name, self.tags, retries, timeout_seconds, retry_delay_seconds)

    @cached_property
    def signature(self) -> Signature:
        """The function's parameters."""
        return Signature(self.fn)

    def delay(self, retry: int) -> float:
        """Return the seconds to wait before a retry, counted from 0."""
        return delay_before(self.retry_delay_seconds, self.retries, retry)

    def run_name(self, bound: dict[str, Any]) -> str | None:
        """Return the name for a run with these parameters, or None where no template says."""
        return name_from(self.task_run_name, "task_run_name", self.signature, bound)

    def __get__(self, instance: object, owner: type | None = None) -> Task[..., R]:
        """Bind to an instance, as methods are."""
        if instance is None:
            return self
        return Task(
            bound_method(self.fn, instance),
            name=self.name,
            description=self.description,
            tags=self.tags,
            retries=self.retries,
            retry_delay_seconds=self.retry_delay_seconds,
            timeout_seconds=self.timeout_seconds,
            log_prints=self.log_prints,
            task_run_name=self.task_run_name,
        )

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it here and return what the function returns, or raise what it raises."""
        place = here()
        if place is None:
            outside: R = self.fn(*args, **kwargs)
            return outside
        from .calling import call_task

        result: R = call_task(self, place, args, dict(kwargs))
        return result

    @overload
    def submit(
        self: Task[..., Coroutine[Any, Any, T]],
        *args: Any,
        wait_for: Iterable[TaskFuture[Any]] | None = None,
        **kwargs: Any,
    ) -> TaskFuture[T]: ...

    @overload
    def submit(
        self, *args: Any, wait_for: Iterable[TaskFuture[Any]] | None = None, **kwargs: Any
    ) -> TaskFuture[R]: ...

    def submit(
        self, *args: Any, wait_for: Iterable[TaskFuture[Any]] | None = None, **kwargs: Any
    ) -> TaskFuture[Any]:
        """Run it beside the flow; return its future at once.

        Args:
            args, kwargs: the parameters; futures in them, also in lists and dicts, become results.
            wait_for: futures that must have ended well before it runs.

        Raises:
            OutsideRun: no flow is under way here.
        """
        from .calling import submit_task

        return submit_task(self, self._place("submit"), args, kwargs, wait_for or ())

    @overload
    def map(
        self: Task[..., Coroutine[Any, Any, T]],
        *args: Any,
        wait_for: Iterable[TaskFuture[Any]] | None = None,
        **kwargs: Any,
    ) -> TaskFutureList[T]: ...

    @overload
    def map(
        self, *args: Any, wait_for: Iterable[TaskFuture[Any]] | None = None, **kwargs: Any
    ) -> TaskFutureList[R]: ...

    def map(
        self, *args: Any, wait_for: Iterable[TaskFuture[Any]] | None = None, **kwargs: Any
    ) -> TaskFutureList[Any]:
        """Submit it once for each item of the iterable parameters; return the futures in order.

        Parameters that are no iterables (text and bytes count as such), or that are
        :class:`unmapped`, are the same for each.

        Raises:
            MappingError: nothing to iterate over, or iterables of different lengths.
            OutsideRun: no flow is under way here.
        """
        from .calling import map_task

        return map_task(self, self._place("map"), args, kwargs, wait_for or ())

    def _place(self, verb: str) -> Here:
        place = here()
        if place is None:
            raise OutsideRun(f"{self.name}.{verb}() works inside of a flow only")
        return place


class unmapped(Generic[T]):
    """Keeps an iterable parameter of ``map`` whole.

    Args:
        value: given to each call as it is.
    """

    def __init__(self, value: T) -> None:
        self.value = value


@overload
def task(fn: Callable[P, R], /) -> Task[P, R]: ...


@overload
def task(
    *,
    name: str | None = None,
    description: str | None = None,
    tags: Iterable[str] | None = None,
    retries: int = 0,
    retry_delay_seconds: Delays = 0,
    timeout_seconds: float | None = None,
    log_prints: bool | None = None,
    task_run_name: str | Callable[[], str] | None = None,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def task(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a task; as ``@task`` or with parameters.

    Args:
        fn: the function or coroutine function.
        name: the function's name by default. description: its docstring by default.
        tags: labels of each of its runs.
        retries: how often it is run again after an exception.
        retry_delay_seconds: before each retry: a number, one for each, or what makes them
            from the number of retries.
        timeout_seconds: after this long a run fails as TimedOut.
        log_prints: whether what it prints is logged; None does as the flow does.
        task_run_name: template (``"load {table}"``) or function for the names of its runs.
    """
    return partial(Task, **options) if fn is None else Task(fn, **options)
