"""Runs that other processes execute: of deployments, and of tasks in the background.

Asked for within a flow, they are parts of its run: a retried flow finds those of its earlier
attempt again, and asks anew only for what did not complete.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar, Unpack

from pydantic_core import from_json

from upshot.events.exceptions import Conflict
from upshot.events.ids import derived_id

from ..aside import here_or_beside
from ..calls.keys import inputs_key
from ..calls.parameters import as_json, require_fitting
from ..context import here
from ..definitions.checking import check_options
from ..definitions.run_names import LONGEST_NAME
from ..definitions.tagging import with_current
from ..exceptions import DeploymentNotFound, WrongArgument
from ..given import (
    FLAG,
    SECONDS,
    TEXT,
    TIME,
    Kind,
    is_text,
    maybe,
    require,
    require_each,
    text,
    texts,
    whole,
)
from ..joining.runs import read_run
from ..joining.store import service_store_here
from ..runs.deployed import run_of
from ..runs.flowrun import DEFAULT_POOL, FlowRun, new_run
from ..runs.transitions import create_arguments, transition_arguments
from ..schemas.keeping import require_taken_here
from ..states import State
from .runfuture import RunFuture

if TYPE_CHECKING:
    from ..definitions.taskdef import Task

R = TypeVar("R", covariant=True)

_BY_NAME: Final = Kind(
    "a dict of parameters by name",
    lambda given: isinstance(given, Mapping) and all(map(is_text, given)),
)
_KINDS: Final[dict[str, Kind]] = {
    "timeout": maybe(SECONDS),
    "scheduled_time": maybe(TIME),
    "flow_run_name": maybe(text(LONGEST_NAME)),
    "idempotency_key": maybe(text(1000)),
    "priority": whole(-1000, 1000),
    "as_subflow": FLAG,
}

BACKGROUND_POOL: Final = DEFAULT_POOL
"""Work pool of tasks in the background."""


def delay(task: Task[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> RunFuture[R]:
    """Ask for a run of a task that a worker executes; see ``Task.delay``."""
    bound = task.signature.bind(args, kwargs)
    given = {name: as_json(name, value) for name, value in bound.items()}
    require_fitting(given)
    run = new_run(
        task.name,
        state=State("Scheduled", "in the background"),
        run_id=_id_here("delay", task.name, bound),
        entrypoint=task.entrypoint,
        pool=BACKGROUND_POOL,
        parameters=given,
        tags=with_current(task.tags),
        name=task.run_name(bound),
        **_cause(),
    )
    return RunFuture(_gone_on(_created(run)), task)


class Wanted(TypedDict, total=False):
    """What one may say of a deployment's run; :func:`run_deployment` says what each means."""

    timeout: float | None
    scheduled_time: datetime | None
    flow_run_name: str | None
    tags: Iterable[str]
    idempotency_key: str | None
    priority: int
    as_subflow: bool


def run_deployment(
    name: str, parameters: dict[str, Any] | None = None, **wanted: Unpack[Wanted]
) -> FlowRun:
    """Run a deployment by its workers, and wait until that has ended.

    Where an event loop runs, it returns a coroutine of the same: ``await run_deployment(…)``.

    Args:
        name: ``flow/deployment``.
        parameters: where the deployment's own are not meant; JSON, models, dataclasses, times.
        timeout: seconds to wait at most; 0 returns at once. None waits for the end.
        scheduled_time: when it starts, with its timezone; now by default.
        flow_run_name: of the run. tags: of the run, besides the deployment's.
        idempotency_key: the same key makes the same run.
        priority: within its queue the run with the lowest goes first; 0 by default.
        as_subflow: whether the run is a part of the run that asks, if any; by default it is.

    Returns:
        The run as it then is; ``run.state.result()`` is what the flow returned, if that is JSON.

    Raises:
        DeploymentNotFound: there is no such deployment.
        InvalidParameters: one can not be written as JSON, or the flow does not take it; names it.
        WrongArgument: naming another one that is none.
        StoreUnavailable: no service runs here.
    """
    run: FlowRun = here_or_beside(_run_deployment, name, parameters, wanted)
    return run


async def arun_deployment(
    name: str, parameters: dict[str, Any] | None = None, **wanted: Unpack[Wanted]
) -> FlowRun:
    """Do the same in a coroutine."""
    return await asyncio.to_thread(_run_deployment, name, parameters, wanted)


def _run_deployment(name: str, parameters: dict[str, Any] | None, wanted: Wanted) -> FlowRun:
    given = _checked(name, parameters, wanted)
    key = wanted.get("idempotency_key")
    deployment = _deployment(name)
    run = _run_of(deployment, given, wanted)
    if key is not None:
        run = replace(run, id=derived_id("run-request", name, key))
    elif (
        wanted.get("as_subflow", True) and (mine := _id_here("deployment", name, given)) is not None
    ):
        run = replace(run, id=mine)
    require_taken_here(service_store_here(), deployment, given, run.id)
    at = wanted.get("scheduled_time")
    there = _created(run, int(at.timestamp() * 1000) if at is not None else 0)
    future: RunFuture[Any] = RunFuture(there if key is not None else _gone_on(there))
    future.wait(wanted.get("timeout"))
    ended = future.refresh()
    return replace(ended, state=replace(ended.state, data=ended.result))


def _checked(name: object, parameters: object, wanted: Wanted) -> dict[str, Any]:
    """Return the parameters as JSON, where all that was asked for makes sense."""
    if unknown := sorted(wanted.keys() - Wanted.__optional_keys__):
        takes = ", ".join(sorted(Wanted.__optional_keys__))
        raise WrongArgument(f"run_deployment() takes no {', '.join(unknown)}; it takes {takes}")
    require(TEXT, name=name)
    require(maybe(_BY_NAME), parameters=parameters)
    require_each(_KINDS, wanted)
    given: Any = parameters or {}
    return {key: as_json(key, value) for key, value in given.items()}


def _run_of(deployment: dict[str, Any], parameters: dict[str, Any], wanted: Wanted) -> FlowRun:
    tags = with_current(texts("tags", wanted.get("tags", ())))
    check_options({"tags": tags})
    return run_of(
        deployment,
        parameters,
        name=wanted.get("flow_run_name"),
        tags=tags,
        priority=wanted.get("priority", 0),
        **(_cause() if wanted.get("as_subflow", True) else {}),
    )


def _deployment(name: str) -> dict[str, Any]:
    store = service_store_here()
    value = store.execute("HGET", store.keys("docs", "deployment"), name)
    if value is None:
        raise DeploymentNotFound(f"no deployment has the name {name!r}")
    found: dict[str, Any] = from_json(value.partition(b" ")[2])
    return found


def _id_here(kind: str, name: str, parameters: dict[str, Any]) -> str | None:
    """Return the id that this request has in each attempt of the run that makes it."""
    place = here()
    if place is None:
        return None
    key = place.scope.numbered(f"{kind}:{name}:{inputs_key(parameters)}")
    return derived_id("run", place.context.id, place.scope.owner, key)


def _cause() -> dict[str, Any]:
    place = here()
    if place is None:
        return {}
    run = place.context.flow_run
    return {"parent": run.id, "caused_by": run.caused_by, "causation": run.causation}


def _created(run: FlowRun, due_ms: int = 0) -> FlowRun:
    """Create a run, or return the one that was made for the same request before."""
    store = service_store_here()
    created, _, _ = store.call("create_run", *create_arguments(run, due_ms=due_ms))
    return run if created else read_run(store, run.id) or run


def _gone_on(run: FlowRun) -> FlowRun:
    """Let a run that an earlier attempt asked for go on, if it did not complete."""
    if not run.state.ended or run.state.completed:
        return run
    store = service_store_here()
    state = State("AwaitingRetry", f"was {run.state.name}")
    with suppress(Conflict):  # somebody else lets it go on
        store.call("transition", *transition_arguments(run, state, own=False))
    return read_run(store, run.id) or run
