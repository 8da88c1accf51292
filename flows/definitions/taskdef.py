"""Tasks: functions whose calls within a flow are recorded, retried, timed and kept."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar, Unpack, overload

from ..context import here
from .definition import decorated
from .delays import delay_before, jittered
from .flowdef import Flow
from .options import TaskOptions, TransactionHook
from .run_names import Naming, name_from
from .submitting import Submittable

if TYPE_CHECKING:
    from datetime import timedelta

    from ..data.assets import Asset, Dependency
    from ..deployments.runfuture import RunFuture
    from ..results.cache_policies import CacheKeyFn, CachePolicy

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
Undo = TypeVar("Undo", bound=TransactionHook)

_KNOWN = TaskOptions.__optional_keys__


class Task(Submittable[P, R]):
    """A function that flows call as a task; made by :func:`task`, which describes the parameters.

    Called in a flow it runs and returns what the function returns. Called elsewhere it is the
    plain function. In a flow, each call also takes ``return_state`` (True returns how it ended)
    and ``wait_for`` (futures that must have ended well before it runs).
    """

    decorator: ClassVar[str] = "task"
    retry_jitter_factor: float | None = None
    retry_condition_fn: Callable[[Any, Any, Any], bool] | None = None
    task_run_name: Naming | None = None
    trigger_rule: str = "all_success"
    cache_policy: CachePolicy | None = None
    cache_key_fn: CacheKeyFn | None = None
    cache_expiration: timedelta | float | None = None
    refresh_cache: bool = False
    result_storage_key: str | None = None
    asset_deps: Iterable[Dependency] = ()
    assets: tuple[Asset, ...] = ()

    def __init__(self, fn: Callable[P, R], **options: Unpack[TaskOptions]) -> None:
        super().__init__(fn, options, _KNOWN)

    def with_options(self, **options: Unpack[TaskOptions]) -> Task[P, R]:
        """Return a task of the same function with some options changed."""
        return self._changed(self._method or self.fn, **options)

    @functools.cached_property
    def code(self) -> str:
        """Hash of what the function does; what was completed by other code is run again."""
        from ..results.hashing import hash_code

        return hash_code(self.fn)

    def retry_delay(self, retry: int) -> float:
        """Return the seconds to wait before a retry, counted from 0."""
        delay = delay_before(self.retry_delay_seconds, self.retries, retry)
        return jittered(delay, self.retry_jitter_factor)

    def run_name(self, bound: dict[str, Any]) -> str | None:
        """Return the name for a run with these parameters, or None where no template says."""
        return name_from(self.task_run_name, "task", self.name, self.signature, bound)

    def on_rollback(self, hook: Undo) -> Undo:
        """Call this with the run's transaction when what the run did is to be undone."""
        return self._hooked("on_rollback", hook)

    def on_commit(self, hook: Undo) -> Undo:
        """Call this with the run's transaction when that is committed."""
        return self._hooked("on_commit", hook)

    def __get__(self, instance: object, owner: type | None = None) -> Task[..., R]:
        """Bind to an instance or class, as methods are."""
        return self._bound(instance, owner)

    def _called(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        place = here()
        if place is None:
            from ..calls.outside import call_outside

            return call_outside(self, args, kwargs)
        from ..taskruns.calling import call_task

        return call_task(self, place, args, kwargs)

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> RunFuture[R]:
        """Ask for a run of it in the background, which a worker executes; return its future.

        It is a run of its own; within a flow, a part of the flow's run. The parameters travel as
        JSON, and become the annotated types again.

        Raises:
            InvalidParameters: one can not be written as JSON; names it.
            EntrypointNotFound: it stands in no file that a worker could load.
            StoreUnavailable: no service runs here.
        """
        from ..deployments.remote import delay

        return delay(self, args, dict(kwargs))

    def apply_async(
        self, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> RunFuture[R]:
        """Ask for a run as :meth:`delay` does, with the arguments as a list and a dict."""
        from ..deployments.remote import delay

        return delay(self, tuple(args), dict(kwargs or {}))

    def serve(self, limit: int | None = None) -> int:
        """Run background tasks here until interrupted; return the worker's exit code.

        Args:
            limit: how many run at a time.
        """
        from ..deployments.serving import serve_tasks

        return serve_tasks(self, limit=limit)

    def as_flow(self) -> Flow[..., Any]:
        """Return a flow of the same name and parameters that does nothing but call it."""

        def call(*args: Any, **kwargs: Any) -> Any:
            return self(*args, **kwargs)

        async def call_async(*args: Any, **kwargs: Any) -> Any:
            called: Any = self(*args, **kwargs)
            return [value async for value in called] if self.is_generator else await called

        wrapped = functools.wraps(self.fn)(call_async if self.is_async else call)
        return Flow(wrapped, name=self.name)


@overload
def task(fn: Callable[P, R], /, **options: Unpack[TaskOptions]) -> Task[P, R]: ...


@overload
def task(
    fn: None = None, /, **options: Unpack[TaskOptions]
) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def task(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a task; as ``@task`` or with options.

    Args:
        fn: the function, coroutine function or generator function, or a method.
        name: the function's name by default. description: its docstring by default.
        version: any text. tags: labels of each of its runs.
        retries: how often it is run again after an exception.
        retry_delay_seconds: before each retry: a number, one for each, or what makes them
            from the number of retries (``exponential_backoff``).
        retry_jitter_factor: lets each delay be up to so many times longer or shorter, at random.
        retry_condition_fn: asked with the task, its run and the Failed state; False: no retry.
        timeout_seconds: after this long a run fails as TimedOut.
        log_prints: whether what it prints is logged; None does as the flow does.
        task_run_name: template (``"load {table}"``) or function for the names of its runs.
        trigger_rule: how what it waits for must have ended for it to run: ``all_success``,
            ``all_done``, ``one_success``, ``one_failed``, ``none_failed`` or ``always``.
        cache_policy: what of a call makes the key under which its result is found again, so that
            it need not run (``INPUTS``, ``TASK_SOURCE``, …, added up); None caches nothing.
        cache_key_fn: makes the key itself, from the call's context and its parameters.
        cache_expiration: after how long a cached result counts no more; seconds, or a timedelta.
        refresh_cache: run in any case, and cache the result anew.
        persist_result: True keeps each result and fails where that can't be; False keeps none.
            None keeps those that JSON can, so that a retried flow need not run them again.
        result_storage: folder of kept results, as a path or an fsspec address.
        result_serializer: ``json``, ``pickle``, ``compressed/json`` or ``compressed/pickle``.
        result_storage_key: name of the result's file, ``"sales-{parameters[day]}.json"``; where
            it is there already, that is the result.
        asset_deps: assets that it uses, as keys, assets, or tasks that materialise them; what is
            made of its result is made of these.
        on_rollback, on_commit: called with its transaction when that is undone, or done for good.
        on_running, on_completion, on_failure, on_cancellation, on_crashed: as of :func:`flow`,
            called with the task, its run and the state.
    """
    return decorated(Task, fn, options)
