"""How tasks are run beside their flow: submitted once, or once for each item."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, cast, overload

from ..context import here
from .definition import Definition

if TYPE_CHECKING:
    from ..calls.futures import TaskFuture, TaskFutureList
    from ..states import State
    from .taskdef import Task

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
T = TypeVar("T")


class Submittable(Definition[P, R]):
    """What tasks are that flows have run beside them."""

    @overload
    def submit(
        self,
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[Any] | None = None,
        **kwargs: Any,
    ) -> State: ...

    @overload
    def submit(
        self: Submittable[..., Coroutine[Any, Any, T]],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Iterable[Any] | None = None,
        **kwargs: Any,
    ) -> TaskFuture[T]: ...

    @overload
    def submit(
        self,
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Iterable[Any] | None = None,
        **kwargs: Any,
    ) -> TaskFuture[R]: ...

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        """Run it beside the flow; return its future at once.

        Args:
            args, kwargs: the parameters; futures in them, also in lists and dicts, become results.
            wait_for: futures that must have ended well before it runs.
            return_state: True waits for the end and returns the state.

        Where no flow is under way, its function is called in a thread, without a run.
        """
        from ..taskruns.calling import submit_task

        return submit_task(cast("Task[..., Any]", self), here(), args, kwargs)

    @overload
    def map(
        self,
        *args: Any,
        return_state: Literal[True],
        wait_for: Iterable[Any] | None = None,
        **kwargs: Any,
    ) -> list[State]: ...

    @overload
    def map(
        self: Submittable[..., Coroutine[Any, Any, T]],
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Iterable[Any] | None = None,
        **kwargs: Any,
    ) -> TaskFutureList[T]: ...

    @overload
    def map(
        self,
        *args: Any,
        return_state: Literal[False] = False,
        wait_for: Iterable[Any] | None = None,
        **kwargs: Any,
    ) -> TaskFutureList[R]: ...

    def map(self, *args: Any, **kwargs: Any) -> Any:
        """Submit it once for each item of the iterable parameters; return the futures in order.

        Parameters that are no iterables (text and bytes count as such), or that are
        :class:`unmapped`, are the same for each.

        Raises:
            MappingError: nothing to iterate over, or iterables of different lengths.
        """
        from ..taskruns.mapping import map_task

        return map_task(cast("Task[..., Any]", self), here(), args, kwargs)
