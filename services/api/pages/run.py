"""The page of a run: how it is and why, what it did when, what it shows, and what can be done."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from upshot.flows.exceptions import FlowsError
from upshot.flows.states import ENDED, RETRYABLE

from ...exceptions import Refused
from .. import artifacts, assets, event_log, pausing, runs, task_sums
from ..parts import Parts, Served
from . import forms, gantt
from .picture import Picture, dependencies
from .rendering import PageRoute, back, form_of, instant, page, problem_of, request_of, told

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_ONE_BY_ONE: Final = 40
"""Task runs up to which each has a line; more are summed up by task."""
_OF_ONE_TASK: Final = 500
_TASKS: Final = 300
_ARTIFACTS: Final = 20
_EVENTS: Final = 50
_SUBRUNS: Final = 20


@router.get("/runs/{run:path}")
async def show(parts: Served, run: str, task: str | None = None) -> Response:
    """Show a run; ``task`` names the task whose runs are shown one by one."""
    return await _shown(parts, run, task)


@router.post("/runs/{run:path}/retry")
async def retry(parts: Served, request: Request, run: str) -> Response:
    """Run it once more; from a task on, where the form names one."""
    task = (await form_of(request)).get("from") or None
    return await _done(parts, run, runs.retry_run(parts, run, _from(task)))


def _from(task: str | None) -> runs.RetryRequest | None:
    return request_of(runs.RetryRequest, {"from": task}) if task else None


@router.post("/runs/{run:path}/cancel")
async def cancel(parts: Served, run: str) -> Response:
    """Ask it to stop."""
    return await _done(parts, run, runs.cancel_run(parts, run))


@router.post("/runs/{run:path}/pause")
async def pause(parts: Served, run: str) -> Response:
    """Let it wait."""
    return await _done(parts, run, pausing.pause_run(parts, run))


@router.post("/runs/{run:path}/resume")
async def resume(parts: Served, request: Request, run: str) -> Response:
    """Let it go on, with what the form holds; what is wrong is told beside its field."""
    sent = await form_of(request)
    found = await told(runs.show_run(parts, run))
    try:
        given = _input(found["pause"], sent)
        await pausing.resume_run(parts, found["id"], pausing.ResumeRequest(input=given))
    except FlowsError as error:
        return await _shown(parts, run, problem=await problem_of(error), sent=sent)
    return back(_address(run))


def _input(pause: Mapping[str, Any] | None, sent: Mapping[str, str]) -> Any:
    """Return what a form answers to a pause; None where nothing is asked for."""
    fields = forms.fields_of(pause and pause["schema"])
    if not fields:
        return None
    values = forms.read(fields, sent)
    return values.get("") if fields[0].name == "" else values


async def _done(parts: Parts, run: str, change: Any) -> Response:
    """Make a change and look at the run again, also where the change is refused."""
    try:
        await change
    except (FlowsError, Refused) as error:
        return await _shown(parts, run, problem=await problem_of(error))
    return back(_address(run))


def _address(run: str) -> str:
    return f"/runs/{quote(run, safe='')}"


async def _shown(
    parts: Parts,
    wanted: str,
    task: str | None = None,
    *,
    problem: dict[str, Any] | None = None,
    sent: Mapping[str, str] | None = None,
) -> Response:
    run = await told(runs.show_run(parts, wanted))
    kind = run["state"]["type"]
    return await asyncio.to_thread(  # markdown can be made to take seconds
        page,
        "run.html",
        problem["status"] if problem else 200,
        at=_address(run["id"]),
        live=None if kind in ENDED else f"/live?concerning=flow-run.{run['id']}",
        run=run,
        may=_may(run),
        form=_form(run["pause"], problem, sent or {}),
        problem=problem,
        only=task,
        **await _timeline(parts, run, task),
        **await _shows(parts, run),
    )


def _may(run: Mapping[str, Any]) -> dict[str, bool]:
    """Return what can be done with a run as it is."""
    kind = run["state"]["type"]
    return {
        "retry": kind in RETRYABLE and run["deployment"] is not None,
        "cancel": kind not in ENDED and kind != "Cancelling",
        "pause": kind in ("Scheduled", "Pending", "Running"),
        "resume": kind == "Paused" and not (run["pause"] and run["pause"]["awaits"]),
    }


def _form(
    pause: Mapping[str, Any] | None, problem: dict[str, Any] | None, sent: Mapping[str, str]
) -> list[forms.Field]:
    fields = forms.fields_of(pause and pause["schema"])
    return forms.again(fields, sent, problem) if sent else fields


async def _timeline(parts: Parts, run: Mapping[str, Any], task: str | None) -> dict[str, Any]:
    sums = (await told(task_sums.list_tasks(parts, run["id"])))["items"]
    over = gantt.scale(run, sums, instant())
    count = sum(each["runs"] for each in sums)
    ones: list[Any] = []
    if task is not None or count <= _ONE_BY_ONE:
        listed = runs.list_tasks_of_run(parts, run["id"], task=task, limit=_OF_ONE_TASK)
        ones = (await told(listed))["items"]
    return {
        "over": over,
        "count": count,
        "tasks": gantt.task_bars(over, sums[:_TASKS]),
        "more_tasks": max(0, len(sums) - _TASKS),
        "ones": gantt.run_bars(over, ones),
        "graph": _graph(sums),
        "names": [each["task"] for each in sums],
    }


def _graph(sums: list[dict[str, Any]]) -> Picture | None:
    """Return the picture of what waited for what; None where nothing is known to have."""
    if not any(each["after"] for each in sums):
        return None
    return dependencies(
        {each["task"]: each["after"] for each in sums},
        {each["task"]: gantt.worst(each["states"]) for each in sums},
    )


async def _shows(parts: Parts, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run shows: its artifacts with their data, its assets, its parts, its events."""
    listed = await told(artifacts.list_artifacts(parts, run=run["id"], limit=_ARTIFACTS))
    made = await told(assets.list_assets(parts, limit=200))
    subruns = await told(runs.list_runs(parts, parent=run["id"], limit=_SUBRUNS))
    past = await told(event_log.list_events(parts, resource=f"flow-run.{run['id']}", limit=_EVENTS))
    return {
        "artifacts": [
            await told(artifacts.show_artifact(parts, each["id"])) for each in listed["items"]
        ],
        "more_artifacts": listed["next"] is not None,
        "assets": [each for each in made["items"] if _is_of(each, run["id"])],
        "subruns": subruns["items"],
        "more_subruns": subruns["next"] is not None,
        "events": past["items"],
    }


def _is_of(asset: Mapping[str, Any], run_id: str) -> bool:
    found = (asset["materialized"], asset["failed"], *asset["checks"])
    return any(each is not None and each["flow_run"] == run_id for each in found)
