"""What running code may ask about itself: ``runtime.flow_run``, ``.task_run``, ``.deployment``.

Outside of runs everything is None, or empty. While a run's name is made, its parameters and the
name of its flow or task can be had already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from upshot.events.ids import derived_id

from .calls.arguments import resolve
from .context import Here, here

if TYPE_CHECKING:
    from .runs.flowrun import FlowRun
    from .taskruns.taskrun import TaskRun


@dataclass(frozen=True, slots=True)
class Named:
    """What a name is being made for.

    Attributes:
        kind: ``flow`` or ``task``. name: of the flow or task. parameters: of the call.
    """

    kind: str
    name: str
    parameters: Mapping[str, Any]


_named: Final[ContextVar[Named | None]] = ContextVar("upshot_named", default=None)


@contextmanager
def naming(kind: str, name: str, parameters: Mapping[str, Any]) -> Iterator[None]:
    """Let code ask about a run that is being named."""
    token = _named.set(Named(kind, name, parameters))
    try:
        yield
    finally:
        _named.reset(token)


def _being_named(kind: str) -> Named | None:
    named = _named.get()
    return named if named is not None and named.kind == kind else None


def _run() -> FlowRun | None:
    place = here()
    return None if place is None else place.context.flow_run


def _task() -> TaskRun | None:
    place = here()
    return None if place is None else place.task


def _root_of(place: Here) -> str:
    from .joining.runs import read_run

    run = place.context.outermost.flow_run
    while run.parent is not None:
        above = read_run(place.context.journal, run.parent)
        if above is None:  # it is forgotten already
            return run.parent
        run = above
    return run.id


class RuntimeFlowRun:
    """The flow run whose code asks."""

    @property
    def id(self) -> str | None:
        run = _run()
        return None if run is None else run.id

    @property
    def name(self) -> str | None:
        run = _run()
        return None if run is None else run.name

    @property
    def flow_name(self) -> str | None:
        named, run = _being_named("flow"), _run()
        if named is not None:
            return named.name
        return None if run is None else run.flow

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters, as the run's record shows them."""
        named, run = _being_named("flow"), _run()
        if named is not None:
            return dict(named.parameters)
        return {} if run is None else dict(run.parameters)

    @property
    def tags(self) -> list[str]:
        run = _run()
        return [] if run is None else list(run.tags)

    @property
    def run_count(self) -> int:
        """How often the flow's function was started."""
        run = _run()
        return 0 if run is None else run.attempt

    @property
    def parent_flow_run_id(self) -> str | None:
        run = _run()
        return None if run is None else run.parent

    @property
    def root_flow_run_id(self) -> str | None:
        """The run that this one is a part of and that is no part of another one, or its own."""
        place = here()
        return None if place is None else _root_of(place)

    @property
    def flow_version(self) -> str | None:
        place = here()
        return None if place is None or place.context.flow is None else place.context.flow.version

    @property
    def scheduled_start_time(self) -> datetime | None:
        """When the run was to start, with its timezone."""
        run = _run()
        return None if run is None else datetime.fromisoformat(run.scheduled or run.created)


class RuntimeTaskRun:
    """The task run whose code asks."""

    @property
    def id(self) -> str | None:
        task = _task()
        return None if task is None else task.id

    @property
    def name(self) -> str | None:
        task = _task()
        return None if task is None else task.name

    @property
    def task_name(self) -> str | None:
        named, task = _being_named("task"), _task()
        if named is not None:
            return named.name
        return None if task is None else task.task

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters, with the results of futures for these."""
        named, place = _being_named("task"), here()
        if named is not None:
            return dict(named.parameters)
        if place is None:
            return {}
        return {name: resolve(value, raising=False) for name, value in place.parameters.items()}

    @property
    def tags(self) -> list[str]:
        task = _task()
        return [] if task is None else list(task.tags)

    @property
    def run_count(self) -> int:
        """How often the task's function was started."""
        task = _task()
        return 0 if task is None else task.attempt


class RuntimeDeployment:
    """The deployment of the flow run whose code asks."""

    @property
    def name(self) -> str | None:
        """The name, ``flow/deployment``."""
        run = _run()
        return None if run is None else run.deployment

    @property
    def id(self) -> str | None:
        """The id, as the related resources of events have it."""
        return derived_id("deployment", self.name) if self.name else None

    @property
    def version(self) -> str | None:
        run = _run()
        return None if run is None else run.launch.get("version")

    @property
    def flow_run_id(self) -> str | None:
        run = _run()
        return run.id if run is not None and run.deployment else None

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of its run, as JSON."""
        run = _run()
        return dict(run.parameters) if run is not None and run.deployment else {}


flow_run: Final = RuntimeFlowRun()
task_run: Final = RuntimeTaskRun()
deployment: Final = RuntimeDeployment()
