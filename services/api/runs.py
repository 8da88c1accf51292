"""Runs over HTTP: start, list, show, retry, cancel; their task runs and what they logged."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import Response

from upshot.events.ids import derived_id
from upshot.flows.deployments.deployment import Tag
from upshot.flows.runs.deployed import run_of
from upshot.flows.runs.flowrun import MAX_PRIORITY
from upshot.flows.runs.registry import RunFilter
from upshot.flows.schemas.keeping import require_taken

from ..definitions.deployed import deployed
from ..endings import end_tasks
from .answers import (
    Cursor,
    Limit,
    Moment,
    answer,
    moment_ms,
    page,
    place_of,
    stream,
)
from .holdups import Waits
from .idempotency import idempotency_key
from .parts import Served
from .routing import StrictRoute
from .task_runs import page_of, require_state, wanted

router = APIRouter(prefix="/api/v1/runs", tags=["runs"], route_class=StrictRoute)


class RunRequest(BaseModel):
    """A run of a deployment that is asked for.

    Attributes:
        parameters: those that differ from the deployment's; checked as far as it is known what the
            flow takes, and by the flow itself.
        name: of the run; else one is made.
        scheduled_for: when it is due; else now.
        idempotency_key: the same key makes the same run; the header Idempotency-Key does, too.
        version: an older one to run: its number, or what names its code.
        priority: within its queue, the lowest goes first.
        tags: besides the deployment's.
    """

    model_config = ConfigDict(extra="forbid")

    deployment: Annotated[str, Field(min_length=1, max_length=300)]
    parameters: dict[str, Any] = Field(default_factory=dict)
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    scheduled_for: AwareDatetime | None = None
    idempotency_key: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    version: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    priority: Annotated[int, Field(ge=-MAX_PRIORITY, le=MAX_PRIORITY)] = 0
    tags: list[Tag] = Field(default_factory=list, max_length=64)


@router.post("", status_code=201)
async def start_run(http: Request, parts: Served, request: RunRequest) -> Response:
    """Start a run of a deployment; its workers take it when it is due."""
    deployment = await deployed(parts.catalog, request.deployment, request.version)
    key = request.idempotency_key or idempotency_key(http)
    run_id = derived_id("run-request", deployment["name"], key) if key else None
    due = int(request.scheduled_for.timestamp() * 1000) if request.scheduled_for else 0
    run = run_of(
        deployment,
        request.parameters,
        run_id=run_id,
        name=request.name,
        priority=request.priority,
        tags=request.tags,
    )
    await require_taken(parts.store, deployment, request.parameters, run.id)
    if not await parts.runs.create(run, due_ms=due):
        run = await parts.runs.get(run.id)
    return answer(run.to_dict(), 201)


@router.get("")
async def list_runs(
    parts: Served,
    flow: str | None = None,
    deployment: str | None = None,
    state: str | None = None,
    parent: str | None = None,
    since: Moment = None,
    until: Moment = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List runs, newest first; `state` is a state's type or name, `since` when they were made.

    `parent` is the id or the name of the run that they are a part of.
    """
    require_state(state)
    wanted = RunFilter(
        flow=flow,
        deployment=deployment,
        state=state,
        parent=None if parent is None else (await parts.recorded_runs.find(parent))["id"],
        since=moment_ms("since", since),
        until=moment_ms("until", until),
    )
    before = place_of(cursor)
    runs, following = await parts.recorded_runs.page(wanted, limit=limit, before=before)
    return page([run for _, run in runs], following and str(following))


class RetryRequest(BaseModel):
    """How a run is retried.

    Attributes:
        task: `from` this task on, in the order of the calls, what was done is done again; without
            it, what completed is not done twice.
    """

    model_config = ConfigDict(extra="forbid")

    task: Annotated[str | None, Field(alias="from", min_length=1, max_length=200)] = None


@router.post("/{run:path}/retry")
async def retry_run(
    parts: Served, run: str, request: Annotated[RetryRequest | None, Body()] = None
) -> Response:
    """Schedule an ended run again; what completed is not done twice, unless `from` says so."""
    found = await parts.recorded_runs.live(run)
    task = request.task if request is not None else None
    return answer((await parts.runs.retry(found.id, "retried by hand", task=task)).to_dict())


@router.post("/{run:path}/undo")
async def undo_run(parts: Served, run: str) -> Response:
    """Have a worker undo the open transaction of an ended run, which then is Cancelled."""
    found = await parts.recorded_runs.live(run)
    return answer((await parts.runs.undo(found.id, "undone by hand")).to_dict())


@router.post("/{run:path}/cancel")
async def cancel_run(parts: Served, run: str) -> Response:
    """Ask a run to stop; one that no worker has is Cancelled at once.

    Where it has an open transaction it is AwaitingUndo: a worker undoes that before.
    """
    found = await parts.recorded_runs.live(run)
    cancelled = await parts.runs.cancel(found.id, "cancelled by hand")
    if cancelled.state.ended:  # it has no process that would end its open tasks
        await end_tasks(parts.store, cancelled)
    return answer(cancelled.to_dict())


@router.get("/{run:path}/logs")
async def run_logs(
    request: Request,
    parts: Served,
    run: str,
    follow: bool = False,
    limit: Limit = 1000,
    cursor: Cursor = None,
) -> Response:
    """List what a run logged and printed; `follow=1` streams it until the run ends.

    The stream has a message named `waits` with what the run waits for, when that changes.
    The log of a run is kept as long as the store keeps the run (`run_retention`).
    """
    found = await parts.recorded_runs.find(run)
    after = cursor or request.headers.get("last-event-id") or "0-0"
    if follow:
        return stream(parts.following.follow(found["id"], after, Waits(parts).news))
    lines = await parts.runs.logs(found["id"], after, limit)
    return page(lines, lines[-1]["position"] if len(lines) == limit else None)


@router.get("/{run:path}/task-runs")
async def list_tasks_of_run(
    parts: Served,
    run: str,
    state: str | None = None,
    task: str | None = None,
    limit: Limit = 1000,
    cursor: Cursor = None,
) -> Response:
    """List the task runs of a run, oldest first; `task` is the name of a task."""
    found = await parts.recorded_runs.find(run)
    items, following = await page_of(
        parts.recorded_runs, found["id"], wanted(state, task), limit, cursor
    )
    return page(items, following)


@router.get("/{run:path}")
async def show_run(parts: Served, run: str) -> Response:
    """Show a run, given by its id or name; `waits_for` says what keeps it from going on."""
    found = await parts.recorded_runs.find(run)
    return answer({**found, "waits_for": await Waits(parts).of(found)})
