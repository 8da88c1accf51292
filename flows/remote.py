"""Runs that other processes execute: of deployments, and of tasks in the background.

Asked for within a flow, they are parts of its run: a retried flow finds those of its earlier
attempt again, and asks anew only for what did not complete.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Generic, TypedDict, TypeVar, Unpack

from pydantic_core import from_json

from upshot.events.exceptions import Conflict
from upshot.events.ids import derived_id
from upshot.events.store import SyncStore

from .boundary import pass_boundary
from .context import here
from .deployed import run_of
from .exceptions import DeploymentNotFound, Interrupted, NotCompleted
from .inputs import inputs_key
from .joining import connect, join, require_lasting
from .journal import Journal
from .parameters import as_json
from .results import Kept, restore
from .runs import FlowRun, create_arguments, new_run, parse_run, transition_arguments
from .states import State
from .tagging import with_current

if TYPE_CHECKING:
    from .taskdef import Task

R = TypeVar("R", covariant=True)

BACKGROUND_POOL: Final = "default"
"""Work pool of tasks in the background; `upshot up` has a worker for it."""

_SHORTEST_POLL: Final = 0.02
_LONGEST_POLL: Final = 0.5


class RunFuture(Generic[R]):
    """The outcome of a run that another process executes.

    Args:
        run: as it was created. task: whose result it has; None for a flow's.
    """

    def __init__(self, run: FlowRun, task: Task[..., R] | None = None) -> None:
        self._run, self._task = run, task
        self._store = _store()

    @property
    def flow_run_id(self) -> str:
        return self._run.id

    @property
    def state(self) -> State:
        """The state it is in."""
        return self.refresh().state

    def refresh(self) -> FlowRun:
        """Return the run as it is now."""
        if not self._run.state.ended:
            self._run = _read(self._store, self._run.id) or self._run
        return self._run

    def done(self) -> bool:
        return self.state.ended

    def wait(self, timeout: float | None = None) -> State | None:
        """Wait for its end, ``timeout`` seconds at most; return how it ended, or None."""
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = _SHORTEST_POLL
        while not self.done():
            left = pause if deadline is None else min(pause, deadline - time.monotonic())
            if left <= 0:
                return None
            _sleep(left)
            pause = min(pause * 1.5, _LONGEST_POLL)
        return self._run.state

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> R:
        """Return what it returned.

        Raises:
            TimeoutError: it has not ended.
            NotCompleted: it did not complete, or its result is not kept; says which.
        """
        state = self.wait(timeout)
        if state is None:
            raise TimeoutError(f"run {self._run.name} did not end within {timeout} seconds")
        data = self._kept() if state.completed else None
        value: R = replace(state, data=data).result(raise_on_failure)
        return value

    def _kept(self) -> Any:
        key = _keys(self._store)("run", self._run.id)
        body, form = self._store.execute("HMGET", key, "result", "checkpoint")
        if body is None or form is None:
            raise NotCompleted(f"the result of run {self._run.name} is not kept")
        if self._task is None:
            return from_json(body)
        return restore(Kept(form.decode(), body), self._task.fn)

    async def result_async(self) -> R:
        """Do what :meth:`result` does, in a coroutine; ``await future`` does it too."""
        return await asyncio.to_thread(self.result)

    def __await__(self) -> Generator[Any, None, R]:
        return self.result_async().__await__()


def delay(task: Task[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> RunFuture[R]:
    """Ask for a run of a task that a worker executes; see ``Task.delay``."""
    bound = task.signature.bind(args, kwargs)
    run = new_run(
        task.name,
        state=State("Scheduled", "in the background"),
        run_id=_id_here("delay", task.name, bound),
        entrypoint=task.entrypoint,
        pool=BACKGROUND_POOL,
        parameters={name: as_json(name, value) for name, value in bound.items()},
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
        as_subflow: whether the run is a part of the run that asks, if any; by default it is.

    Returns:
        The run as it then is; ``run.state.result()`` is what the flow returned, if that is JSON.

    Raises:
        DeploymentNotFound: there is no such deployment.
        InvalidParameters: one can not be written as JSON; names it.
        StoreUnavailable: no service runs here.
    """
    if asyncio._get_running_loop() is not None:
        return arun_deployment(name, parameters, **wanted)  # type: ignore[return-value]
    return _run_deployment(name, parameters or {}, wanted)


async def arun_deployment(
    name: str, parameters: dict[str, Any] | None = None, **wanted: Unpack[Wanted]
) -> FlowRun:
    """Do the same in a coroutine."""
    return await asyncio.to_thread(_run_deployment, name, parameters or {}, wanted)


def _run_deployment(name: str, parameters: dict[str, Any], wanted: Wanted) -> FlowRun:
    given = {key: as_json(key, value) for key, value in parameters.items()}
    key = wanted.get("idempotency_key")
    run = _run_of(_deployment(name), given, wanted)
    if key is not None:
        run = replace(run, id=derived_id("run-request", name, key))
    elif (
        wanted.get("as_subflow", True) and (mine := _id_here("deployment", name, given)) is not None
    ):
        run = replace(run, id=mine)
    at = wanted.get("scheduled_time")
    there = _created(run, int(at.timestamp() * 1000) if at is not None else 0)
    future: RunFuture[Any] = RunFuture(there if key is not None else _gone_on(there))
    future.wait(wanted.get("timeout"))
    ended = future.refresh()
    return replace(ended, state=replace(ended.state, data=ended.result))


def _run_of(deployment: dict[str, Any], parameters: dict[str, Any], wanted: Wanted) -> FlowRun:
    return run_of(
        deployment,
        parameters,
        name=wanted.get("flow_run_name"),
        tags=with_current(wanted.get("tags", ())),
        **(_cause() if wanted.get("as_subflow", True) else {}),
    )


def _deployment(name: str) -> dict[str, Any]:
    store = _store()
    value = store.execute("HGET", _keys(store)("docs", "deployment"), name)
    if value is None:
        raise DeploymentNotFound(f"no deployment has the name {name!r}")
    found: dict[str, Any] = from_json(value.partition(b" ")[2])
    return found


def _id_here(kind: str, name: str, parameters: dict[str, Any]) -> str | None:
    """Return the id that this request has in each attempt of the run that makes it."""
    place = here()
    if place is None:
        return None
    key = f"{kind}:{name}:{inputs_key(parameters)}"
    return derived_id("run", place.run.id, place.scope.owner, f"{key}:{place.scope.count(key)}")


def _cause() -> dict[str, Any]:
    place = here()
    if place is None:
        return {}
    run = place.run.held.run
    return {"parent": run.id, "caused_by": run.caused_by, "causation": run.causation}


def _created(run: FlowRun, due_ms: int = 0) -> FlowRun:
    """Create a run, or return the one that was made for the same request before."""
    store = _store()
    created, _, _ = store.call("create_run", *create_arguments(run, due_ms=due_ms))
    return run if created else _read(store, run.id) or run


def _gone_on(run: FlowRun) -> FlowRun:
    """Let a run that an earlier attempt asked for go on, if it did not complete."""
    if not run.state.ended or run.state.completed:
        return run
    store = _store()
    state = State("AwaitingRetry", f"was {run.state.name}")
    with suppress(Conflict):  # somebody else lets it go on
        store.call("transition", *transition_arguments(run, state, own=False))
    return _read(store, run.id) or run


def _store() -> Journal | SyncStore:
    place = here()
    if place is not None and place.run.held.run.pool:  # a worker runs it, so a service is there
        return place.run.journal
    require_lasting(joined := join())
    return connect(joined) if place is None else place.run.journal


def _keys(store: Journal | SyncStore) -> Any:
    return store.store.keys if isinstance(store, Journal) else store.keys


def _read(store: Journal | SyncStore, run_id: str) -> FlowRun | None:
    fields = store.execute("HGETALL", _keys(store)("run", run_id))
    return parse_run(fields) if fields else None


def _sleep(seconds: float) -> None:
    """Sleep; leave the run that waits, if it is paused or to stop."""
    place = here()
    if place is None:
        time.sleep(seconds)
        return
    pass_boundary(place.run)
    if place.run.stopping.wait(seconds):
        raise Interrupted("the flow run stopped")
