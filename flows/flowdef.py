"""Flows: functions whose calls are runs with states, retries, timeouts and tasks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial, update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from .options import (
    Delays,
    bound_method,
    check_function,
    check_options,
    delay_before,
    is_coroutine_function,
    name_from,
)
from .parameters import Arguments, Signature

if TYPE_CHECKING:
    from .deployments import Deployment
    from .pool import TaskRunner

P = ParamSpec("P")
R = TypeVar("R")


class Flow(Generic[P, R]):
    """A function that runs as a flow; made by :func:`flow`, which describes the parameters.

    Called, it runs in this process and returns what the function returns; ``return_state=True``
    returns how it ended. Called in another flow, its run is a part of that flow's.
    """

    def __init__(
        self,
        fn: Callable[P, R],
        *,
        name: str | None = None,
        description: str | None = None,
        version: str | None = None,
        tags: Iterable[str] | None = None,
        retries: int = 0,
        retry_delay_seconds: Delays = 0,
        timeout_seconds: float | None = None,
        validate_parameters: bool = True,
        log_prints: bool | None = None,
        flow_run_name: str | Callable[[], str] | None = None,
        task_runner: TaskRunner | None = None,
    ) -> None:
        check_function(fn)
        update_wrapper(self, fn)  # first, as it copies the function's own attributes as well
        self.fn: Callable[..., Any] = fn
        named = str(getattr(fn, "__name__", type(fn).__name__))
        self.name: str = name or named.replace("_", "-")
        self.description = description or inspect.getdoc(fn) or ""
        self.version = version
        self.tags = tuple(sorted(set(tags or ())))
        self.retries = retries
        self.retry_delay_seconds = retry_delay_seconds
        self.timeout_seconds = timeout_seconds
        self.validate_parameters = validate_parameters
        self.log_prints = log_prints
        self.flow_run_name = flow_run_name
        self.task_runner = task_runner
        self.is_async = is_coroutine_function(fn)
        check_options(self.name, self.tags, retries, timeout_seconds, retry_delay_seconds)

    @cached_property
    def signature(self) -> Signature:
        """The function's parameters."""
        return Signature(self.fn)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return which parameter gets what, defaults added; TypeError where they do not fit."""
        return self.signature.with_defaults(self.signature.bind(args, kwargs))

    def checked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """Return the arguments as the annotated types, unless ``validate_parameters`` is False.

        Raises:
            InvalidParameters: with what is wrong with each.
        """
        if not self.validate_parameters:
            return args, kwargs
        return self.signature.check(args, kwargs)

    def delay(self, retry: int) -> float:
        """Return the seconds to wait before a retry, counted from 0."""
        return delay_before(self.retry_delay_seconds, self.retries, retry)

    def run_name(self, bound: dict[str, Any]) -> str | None:
        """Return the name for a run with these parameters, or None where no template says."""
        return name_from(self.flow_run_name, "flow_run_name", self.signature, bound)

    def __get__(self, instance: object, owner: type | None = None) -> Flow[..., R]:
        """Bind to an instance, as methods are."""
        if instance is None:
            return self
        return Flow(
            bound_method(self.fn, instance),
            name=self.name,
            description=self.description,
            version=self.version,
            tags=self.tags,
            retries=self.retries,
            retry_delay_seconds=self.retry_delay_seconds,
            timeout_seconds=self.timeout_seconds,
            validate_parameters=self.validate_parameters,
            log_prints=self.log_prints,
            flow_run_name=self.flow_run_name,
            task_runner=self.task_runner,
        )

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it and return what the function returns, or raise what it raises."""
        from .calling import call_flow

        result: R = call_flow(self, args, dict(kwargs))
        return result

    @property
    def entrypoint(self) -> str:
        """Where a worker finds it: ``/path/to/file.py:function``.

        Raises:
            EntrypointNotFound: it stands in no file, or inside of another function.
        """
        from .entrypoints import entrypoint_of

        return entrypoint_of(self.fn)

    def deploy(
        self,
        name: str,
        *,
        work_pool: str = "default",
        parameters: dict[str, Any] | None = None,
        description: str | None = None,
        tags: Iterable[str] = (),
        version: str | None = None,
        entrypoint: str | Path | None = None,
    ) -> Deployment:
        """Make it known to the running service, so that workers can run it.

        Args:
            name: of the deployment; with the flow's name before it: ``flow/name``.
            work_pool: whose workers run it.
            parameters: for its runs, where they do not say otherwise.
            entrypoint: ``path.py:function``; by default where the flow's function stands.

        Raises:
            InvalidDeployment: naming each wrong field.
            StoreUnavailable: no service runs that could keep it.
        """
        from .deployments import Deployment, deploy

        made = Deployment.of(
            name=f"{self.name}/{name}",
            entrypoint=str(entrypoint or self.entrypoint),
            work_pool=work_pool,
            parameters=parameters or {},
            description=self.description if description is None else description,
            tags=sorted({*self.tags, *tags}),
            version=version or self.version,
        )
        deploy(made)
        return made

    def serve(self, name: str, **options: Any) -> int:
        """Deploy it and run its runs here until interrupted; return the worker's exit code.

        Args:
            name: see :meth:`deploy`, which takes the other options as well.
        """
        from .serving import serve

        options.setdefault("work_pool", f"served-{self.name}-{name}")
        return serve(self.deploy(name, **options))


@overload
def flow(fn: Callable[P, R], /) -> Flow[P, R]: ...


@overload
def flow(
    *,
    name: str | None = None,
    description: str | None = None,
    version: str | None = None,
    tags: Iterable[str] | None = None,
    retries: int = 0,
    retry_delay_seconds: Delays = 0,
    timeout_seconds: float | None = None,
    validate_parameters: bool = True,
    log_prints: bool | None = None,
    flow_run_name: str | Callable[[], str] | None = None,
    task_runner: TaskRunner | None = None,
) -> Callable[[Callable[P, R]], Flow[P, R]]: ...


def flow(fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a flow; as ``@flow`` or with parameters.

    Args:
        fn: the function or coroutine function.
        name: the function's name with ``-`` for ``_`` by default. description: its docstring.
        version: any text. tags: labels of each of its runs.
        retries: how often it is run again after an exception; tasks that completed are not.
        retry_delay_seconds: before each retry: a number, one for each, or what makes them
            from the number of retries.
        timeout_seconds: after this long a run fails as TimedOut.
        validate_parameters: whether arguments are checked against the annotations and converted.
        log_prints: whether what it prints is logged; None does as the flow that calls it.
        flow_run_name: template (``"load {table}"``) or function for the names of its runs.
        task_runner: where its submitted tasks run; threads by default.
    """
    return partial(Flow, **options) if fn is None else Flow(fn, **options)
