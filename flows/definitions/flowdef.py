"""Flows: functions whose calls are runs with states, retries, timeouts and tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, ParamSpec, TypeVar, Unpack, overload

from ..calls.parameters import Arguments
from .definition import Definition, decorated
from .delays import delay_before
from .options import FlowOptions
from .run_names import Naming, name_from

if TYPE_CHECKING:
    from ..deployments.deployment import Deployment
    from ..deployments.making import DeploymentOptions
    from ..runners.base import TaskRunner

P = ParamSpec("P")
R = TypeVar("R", covariant=True)

_KNOWN = FlowOptions.__optional_keys__


class Flow(Definition[P, R]):
    """A function that runs as a flow; made by :func:`flow`, which describes the parameters.

    Called, it runs in this process and returns what the function returns; ``return_state=True``
    returns how it ended. Called in another flow, its run is a part of that flow's.
    """

    decorator: ClassVar[str] = "flow"
    validate_parameters: bool = True
    flow_run_name: Naming | None = None
    task_runner: TaskRunner | None = None
    source: tuple[dict[str, Any], str] | None = None  # of code elsewhere, and the entrypoint there

    def __init__(self, fn: Callable[P, R], **options: Unpack[FlowOptions]) -> None:
        super().__init__(fn, options, _KNOWN)

    def _described(self) -> dict[str, str]:
        described = super()._described()
        return {**described, "name": described["name"].replace("_", "-")}

    def with_options(self, **options: Unpack[FlowOptions]) -> Flow[P, R]:
        """Return a flow of the same function with some options changed."""
        return self._changed(self._method or self.fn, **options)

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

    def retry_delay(self, retry: int) -> float:
        """Return the seconds to wait before a retry, counted from 0."""
        return delay_before(self.retry_delay_seconds, self.retries, retry)

    def run_name(self, bound: dict[str, Any]) -> str | None:
        """Return the name for a run with these parameters, or None where no template says."""
        return name_from(self.flow_run_name, "flow", self.name, self.signature, bound)

    def __get__(self, instance: object, owner: type | None = None) -> Flow[..., R]:
        """Bind to an instance or class, as methods are."""
        return self._bound(instance, owner)

    def _called(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        from ..flowruns.calling import call_flow

        return call_flow(self, args, kwargs)

    def deploy(self, name: str, **options: Unpack[DeploymentOptions]) -> Deployment:
        """Make it known to the running service, so that workers can run it.

        Args:
            name: of the deployment; with the flow's name before it: ``flow/name``.
            work_pool: whose workers run it. queue: where its runs wait in the pool.
            parameters: for its runs, where they do not say otherwise.
            description, tags, version: by default the flow's.
            entrypoint: ``path.py:function``; by default where the flow's function stands.
            concurrency_limit: how many of its runs may be under way at a time.
            enforce_parameter_schema: whether runs with parameters that the flow does not take are
                refused at once; they are by default.
            source: where workers get the code: ``{"git": address, "branch": name}`` or
                ``{"folder": path}``; the entrypoint is relative to that.
            job: variables of its runs' processes, as the type of the work pool takes them.
            work_pool_name, work_queue_name, job_variables, image: the same in Prefect's words.

        Raises:
            InvalidDeployment: naming each wrong field.
            StoreUnavailable: no service runs that could keep it.
        """
        from ..deployments.making import deploy

        (made,) = deploy(self.to_deployment(name, **options))
        return made

    def to_deployment(self, name: str, **options: Unpack[DeploymentOptions]) -> Deployment:
        """Return what :meth:`deploy` makes known, for ``deploy`` and ``serve`` of several."""
        from ..deployments.making import deployment_of

        return deployment_of(self, name, options)

    def serve(
        self,
        name: str | None = None,
        *,
        limit: int | None = None,
        **options: Unpack[DeploymentOptions],
    ) -> int:
        """Deploy it and run its runs here until interrupted; return the worker's exit code.

        Args:
            name: see :meth:`deploy`, which takes the other options as well; the flow's by default.
            limit: how many run at a time.
        """
        from ..deployments.serving import serve

        return serve(self.to_deployment(name or self.name, **options), limit=limit)

    @staticmethod
    def from_source(source: str | Path | Mapping[str, str], entrypoint: str) -> Flow[..., Any]:
        """Return a flow whose code is elsewhere, to call it here or to deploy it from there.

        Args:
            source: a folder, the address of a git repository, or as for :meth:`deploy`.
            entrypoint: ``path.py:function``, relative to the source.

        Raises:
            SourceUnavailable: the code is not to be had. EntrypointNotFound: it has no such flow.
        """
        from ..deployments.making import flow_from

        return flow_from(source, entrypoint)


class FlowDecorator:
    """What ``flow`` is: it makes functions flows, and gets flows from elsewhere."""

    from_source = staticmethod(Flow.from_source)

    @overload
    def __call__(self, fn: Callable[P, R], /, **options: Unpack[FlowOptions]) -> Flow[P, R]: ...

    @overload
    def __call__(
        self, fn: None = None, /, **options: Unpack[FlowOptions]
    ) -> Callable[[Callable[P, R]], Flow[P, R]]: ...

    def __call__(self, fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Make a function a flow; as ``@flow`` or with options.

        Args:
            fn: the function, coroutine function or generator function, or a method.
            name: the function's name with ``-`` for ``_`` by default. description: its docstring.
            version: any text. tags: labels of each of its runs.
            retries: how often it is run again after an exception; tasks that completed are not.
            retry_delay_seconds: before each retry: a number, one for each, or what makes them
                from the number of retries.
            timeout_seconds: after this long a run fails as TimedOut.
            validate_parameters: whether arguments are checked against annotations and converted.
            log_prints: whether what it prints is logged; None does as the flow that calls it.
            flow_run_name: template (``"load {table}"``) or function for the names of its runs.
            task_runner: where its submitted tasks run; threads by default.
            on_running, on_completion, on_failure, on_cancellation, on_crashed: functions or
                coroutine functions, called by the process of the run with the flow, the run and
                the state that it entered. One that fails is logged.
        """
        return decorated(Flow, fn, options)


flow: Final = FlowDecorator()
