"""Definitions over HTTP: apply them all at once, list, show, pause, resume and delete them."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from upshot.automations.loading import Definitions
from upshot.automations.suggestions import did_you_mean
from upshot.events.exceptions import NotFound
from upshot.events.ids import derived_id

from ..catalog import Catalog, Doc
from ..exceptions import Refused
from .answers import Cursor, Limit, answer, page
from .parts import Served
from .problems import field_errors
from .routing import StrictRoute

router = APIRouter(prefix="/api/v1", tags=["definitions"], route_class=StrictRoute)

HIDDEN: Final = "********"
_KIND_OF: Final = {
    "automations": "automation",
    "deployments": "deployment",
    "webhooks": "webhook",
    "receivers": "receiver",
    "variables": "variable",
}
_PAUSED: Final = ("automations", "deployments")


class ApplyRequest(BaseModel):
    """Definitions by kind, as files have them.

    Attributes:
        prune: delete what is not among them, of the kinds that are given.
        dry_run: only tell what would change.
    """

    model_config = ConfigDict(extra="forbid")

    automations: list[Doc] | None = None
    deployments: list[Doc] | None = None
    webhooks: list[Doc] | None = None
    receivers: list[Doc] | None = None
    variables: list[Doc] | None = None
    prune: bool = Field(default=False)
    dry_run: bool = Field(default=False)

    def given(self) -> dict[str, list[Doc]]:
        """Return the lists that the request has."""
        lists = {kind: getattr(self, kind) for kind in _KIND_OF}
        return {kind: docs for kind, docs in lists.items() if docs is not None}


@router.post("/apply")
async def apply(parts: Served, request: ApplyRequest) -> Response:
    """Make the stored definitions the given ones: all of it, or nothing where anything is wrong.

    The answer tells of each what becomes of it: `created`, `updated`, `unchanged`, `deleted`.
    """
    # Thousands of them take seconds: not in the loop, where all other requests would wait.
    wanted = await asyncio.to_thread(check, request.given())
    changes = await parts.catalog.apply(wanted, prune=request.prune, dry_run=request.dry_run)
    parts.webhooks.forget()
    return answer({"changes": [change.to_dict() for change in changes], "dry_run": request.dry_run})


def check(given: dict[str, list[Doc]]) -> dict[str, dict[str, Doc]]:
    """Return checked definitions by kind and name, in the form in which they are kept.

    Raises:
        Refused: 422 with the place of each thing that is wrong.
    """
    try:
        checked = Definitions.model_validate(given)
    except ValidationError as error:
        errors = field_errors(error)
        detail = f"{errors[0]['field']}: {errors[0]['message']}; nothing was applied"
        raise Refused(422, "invalid-definition", detail, errors=errors) from error
    _require_secrets(checked)
    docs = checked.model_dump(mode="json", by_alias=True)
    return {_KIND_OF[kind]: _by_name(kind, docs[kind]) for kind in given}


def _require_secrets(checked: Definitions) -> None:
    """Refuse webhooks that anybody could send to."""
    errors: list[dict[str, object]] = [
        {"field": f"webhooks.{index}.secret", "message": "is required: deliveries are signed"}
        for index, webhook in enumerate(checked.webhooks)
        if webhook.secret is None
    ]
    if errors:
        detail = f"{errors[0]['field']} {errors[0]['message']}; nothing was applied"
        raise Refused(422, "invalid-definition", detail, errors=errors)


def _by_name(kind: str, docs: list[Doc]) -> dict[str, Doc]:
    named: dict[str, Doc] = {}
    for index, doc in enumerate(docs):
        if doc["name"] in named:
            message = f"the name {doc['name']!r} is taken by another one"
            field = f"{kind}.{index}.name"
            errors: list[dict[str, object]] = [{"field": field, "message": message}]
            raise Refused(422, "invalid-definition", f"{field}: {message}", errors=errors)
        named[doc["name"]] = doc
    return named


async def resolve(catalog: Catalog, kind: str, wanted: str) -> str:
    """Return the name of a definition that is given by name or id.

    Raises:
        NotFound: there is none; the message names the nearest one.
    """
    known = await catalog.all(kind)
    if wanted in known:
        return wanted
    identity = wanted.removeprefix(f"{kind}.")
    for name in known:
        if derived_id(kind, name) == identity:
            return name
    raise NotFound(
        f"no {kind} is called {wanted[:200]!r}{did_you_mean(wanted[:200], known.keys())}"
    )


def shown(kind: str, name: str, version: int, doc: Doc) -> Doc:
    """Return a definition as answers show it: with its id, without its secrets."""
    body = {"id": derived_id(kind, name), **doc, "version": version}
    if kind == "webhook":
        body["secret"] = HIDDEN if doc.get("secret") else None
        body["path"] = f"/hooks/{name}"
    if kind == "receiver":
        body["url"] = f"{str(doc.get('url', '')).partition('://')[0]}://{HIDDEN}"
    return body


def _serve(plural: str, kind: str) -> None:
    """Add the routes that each kind has."""

    async def list_all(parts: Served, limit: Limit = 100, cursor: Cursor = None) -> Response:
        stored = await parts.catalog.versions(kind)
        names = [name for name in sorted(stored) if cursor is None or name > cursor]
        items = [shown(kind, name, *stored[name]) for name in names[:limit]]
        return page(items, names[limit - 1] if len(names) > limit else None)

    async def show_one(parts: Served, name: str) -> Response:
        found = await resolve(parts.catalog, kind, name)
        return answer(shown(kind, found, *await parts.catalog.version(kind, found)))

    async def delete(parts: Served, name: str) -> Response:
        await parts.catalog.delete(kind, await resolve(parts.catalog, kind, name))
        parts.webhooks.forget()
        return Response(status_code=204)

    async def set_paused(parts: Served, name: str, paused: bool) -> Response:
        found = await resolve(parts.catalog, kind, name)
        await parts.catalog.pause(kind, found, paused)
        return answer(shown(kind, found, *await parts.catalog.version(kind, found)))

    async def pause(parts: Served, name: str) -> Response:
        return await set_paused(parts, name, True)

    async def resume(parts: Served, name: str) -> Response:
        return await set_paused(parts, name, False)

    def add(path: str, handler: Any, method: str, what: str) -> None:
        name = f"{what}-{kind}"
        summary = name.replace("-", " ").capitalize()
        router.add_api_route(path, handler, methods=[method], name=name, summary=summary)

    if plural in _PAUSED:
        add(f"/{plural}/{{name:path}}/pause", pause, "POST", "pause")
        add(f"/{plural}/{{name:path}}/resume", resume, "POST", "resume")
    add(f"/{plural}", list_all, "GET", "list")
    add(f"/{plural}/{{name:path}}", show_one, "GET", "show")
    add(f"/{plural}/{{name:path}}", delete, "DELETE", "delete")


for _plural, _kind in _KIND_OF.items():
    _serve(_plural, _kind)
