"""The pages of deployments: which there are, and one with a form that starts a run of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from upshot.flows.exceptions import FlowsError, InvalidInput
from upshot.flows.schemas.known import is_enforced

from ...exceptions import Refused
from .. import runs
from ..kinds import Kind
from ..parts import Parts, Served
from . import forms
from .rendering import PageRoute, back, form_of, page, problem_of, request_of, told

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_KIND: Final = Kind("deployments")
_OTHERS: Final = forms.Field(
    "", "other parameters", 'more of them, as JSON: {"day": "2026-11-20"}', nullable=True
)
_RUNS: Final = 15


@router.get("/deployments")
async def list_deployments(parts: Served, cursor: str = "") -> Response:
    """Show the deployments, by name."""
    found = await told(_KIND.list_all(parts, cursor=cursor or None))
    return page(
        "deployments.html",
        deployments=found["items"],
        next=found["next"],
        live="/live?event=deployment.*",
    )


@router.get("/deployments/{name:path}")
async def show(parts: Served, request: Request, name: str, like: str | None = None) -> Response:
    """Show a deployment, its runs, and the form for another one, maybe ``like`` one that was."""
    return await _shown(parts, request, name, like=like)


@router.post("/deployments/{name:path}/run")
async def run(parts: Served, request: Request, name: str) -> Response:
    """Start a run with the parameters that the form holds; the API and the flow check them."""
    sent = await form_of(request)
    found = await told(_KIND.show_one(request, parts, name))
    try:
        parameters, called = _parameters(found, sent), sent.get("name") or None
        values = {"deployment": found["name"], "parameters": parameters, "name": called}
        asked = request_of(runs.RunRequest, values)
        started = await told(runs.start_run(request, parts, asked))
    except (FlowsError, Refused) as error:
        return await _shown(parts, request, name, problem=await problem_of(error), sent=sent)
    return back(f"/runs/{started['id']}")


@router.post("/deployments/{name:path}/pause")
async def pause(parts: Served, name: str) -> Response:
    """Start no more runs of it."""
    await _KIND.pause(parts, name)
    return back(_address(name))


@router.post("/deployments/{name:path}/resume")
async def resume(parts: Served, name: str) -> Response:
    """Start runs of it again."""
    await _KIND.resume(parts, name)
    return back(_address(name))


def _address(name: str) -> str:
    return f"/deployments/{quote(name, safe='')}"


def _fields(deployment: Mapping[str, Any]) -> list[forms.Field]:
    """Return the fields of what the flow takes; where that is not known, of its defaults."""
    schema, defaults = deployment.get("parameter_schema"), deployment["parameters"]
    if schema is None:
        return [*forms.fields_for(defaults), _OTHERS]
    asked = forms.fields_of(_with_defaults(schema, defaults))
    open_ended = schema.get("additionalProperties") is not False or not is_enforced(deployment)
    return [*asked, _OTHERS] if open_ended else asked


def _with_defaults(schema: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    properties = dict(schema.get("properties", {}))
    for name, value in defaults.items():
        properties[name] = {**properties.get(name, {}), "default": value}
    required = [name for name in schema.get("required", ()) if name not in defaults]
    return {**schema, "properties": properties, "required": required}


def _parameters(deployment: Mapping[str, Any], sent: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters of a form, those of its free part among them."""
    values = forms.read(_fields(deployment), sent)
    others = values.pop("", None) or {}
    if not isinstance(others, dict):
        raise InvalidInput([("", "must be a JSON object")])
    return {**values, **others}


async def _shown(
    parts: Parts,
    request: Request,
    name: str,
    *,
    like: str | None = None,
    problem: dict[str, Any] | None = None,
    sent: Mapping[str, str] | None = None,
) -> Response:
    found = await told(_KIND.show_one(request, parts, name))
    given = (await told(runs.show_run(parts, like)))["parameters"] if like else {}
    fields = _fields({**found, "parameters": {**found["parameters"], **given}})
    if sent:
        fields = forms.again(fields, sent, problem)
    latest = await told(runs.list_runs(parts, deployment=found["name"], limit=_RUNS))
    return page(
        "deployment.html",
        problem["status"] if problem else 200,
        at=_address(found["name"]),
        deployment=found,
        form=fields,
        name=(sent or {}).get("name", ""),
        runs=latest["items"],
        problem=problem,
        live=f"/live?concerning=deployment.{found['id']}",
    )
