"""The routes that each kind of definition has, as one function adds them.

A change: name → If-Match → merge → check → store, if it is still the version that was meant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response

from upshot.events.exceptions import NotFound
from upshot.flows.schemas.keeping import schema_of_deployment

from ..definitions.names import resolve, resolve_or_take
from ..definitions.planning import Change, Doc, Verb
from ..definitions.switching import switch
from ..exceptions import Refused
from .answers import Cursor, Limit, answer, page
from .checking import KIND_OF, check_one, shown, unmasked
from .conditional import IF_MATCH, IF_NONE_MATCH, etag, expected_version, unchanged
from .parts import Parts, Served

_PAUSED: Final = ("automations", "deployments")
_SHOWN_ELSEWHERE: Final = {("work_pools", "list"), ("work_pools", "show")}
"""What ``work`` shows together with who serves it, and what waits."""
_CONDITIONS: Final = [IF_MATCH, IF_NONE_MATCH]
_BODY: Final = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}


def serve(router: APIRouter, plural: str) -> None:
    """Add the routes of a kind: the longer paths first, for names may have slashes."""
    kind = Kind(plural)
    one = f"/{plural.replace('_', '-')}"
    each = f"{one}/{{name:path}}"
    routes: list[tuple[str, str, Callable[..., Any], str]] = [
        ("GET", f"{each}/versions/{{version:int}}", kind.show_version, "show-version-of"),
        ("GET", f"{each}/versions", kind.list_versions, "list-versions-of"),
        ("GET", one, kind.list_all, "list"),
        ("POST", one, kind.create, "create"),
        ("GET", each, kind.show_one, "show"),
        ("PUT", each, kind.put, "put"),
        ("PATCH", each, kind.patch, "patch"),
        ("DELETE", each, kind.delete, "delete"),
    ]
    if plural in _PAUSED:
        routes.insert(0, ("POST", f"{each}/pause", kind.pause, "pause"))
        routes.insert(0, ("POST", f"{each}/resume", kind.resume, "resume"))
    routes = [route for route in routes if (plural, route[3]) not in _SHOWN_ELSEWHERE]
    for method, path, handler, what in routes:
        name = f"{what}-{kind.kind}"
        extra: dict[str, Any] = {"parameters": _CONDITIONS} if method in _CONDITIONAL else {}
        if method in ("PUT", "PATCH") or what == "create":
            extra["requestBody"] = _BODY
        router.add_api_route(
            path,
            handler,
            methods=[method],
            name=name,
            summary=name.replace("-", " ").capitalize(),
            openapi_extra=extra,
        )


_CONDITIONAL: Final = ("PUT", "PATCH", "DELETE")


class Kind:
    """What can be done with the definitions of one kind."""

    def __init__(self, plural: str) -> None:
        self.plural, self.kind = plural, KIND_OF[plural]

    async def list_all(self, parts: Served, limit: Limit = 100, cursor: Cursor = None) -> Response:
        """List them by name."""
        stored = await parts.catalog.versions(self.kind)
        names = [name for name in sorted(stored) if cursor is None or name > cursor]
        items = [shown(self.kind, name, *stored[name]) for name in names[:limit]]
        return page(items, names[limit - 1] if len(names) > limit else None)

    async def show_one(self, request: Request, parts: Served, name: str) -> Response:
        """Show one; its ETag is its version."""
        found = await resolve(parts.catalog, self.kind, name)
        version, doc = await parts.catalog.version(self.kind, found)
        more = await self._besides(parts, doc)
        if not more and unchanged(request.headers, version):
            return Response(status_code=304, headers={"ETag": etag(version)})
        return self._answer(found, version, doc, **more)

    async def _besides(self, parts: Parts, doc: Doc) -> Doc:
        """Return what is known besides, of no version: of a deployment, what its flow takes."""
        if self.kind != "deployment":
            return {}
        schema = await schema_of_deployment(parts.store, doc)
        return {} if schema is None else {"parameter_schema": schema}

    async def create(self, request: Request, parts: Served) -> Response:
        """Create one; its name must be free, unless a repeated request already made it so."""
        doc = check_one(self.plural, _body(await request.body()))
        name = doc["name"]
        stored = await self._stored(parts, name)
        if stored is not None and not (_repeated(request) and stored[1] == doc):
            detail = f"a {self.kind} is called {name!r} already; change it with PUT"
            raise Refused(409, "exists", detail, headers={"ETag": etag(stored[0])})
        if stored is None:
            return self._changed(await self._store(parts, name, doc, expected=0))
        return self._answer(name, *stored, status=201)

    async def put(self, request: Request, parts: Served, name: str) -> Response:
        """Put one in place of what there is, or create it; `If-Match` says what it replaces."""
        body = _body(await request.body())
        name = await resolve_or_take(parts.catalog, self.kind, name)
        stored = await self._stored(parts, name)
        version = None if stored is None else stored[0]
        expected = expected_version(request.headers, version, required=True)
        doc = self._checked(name, unmasked(self.kind, body, stored and stored[1]))
        return self._changed(await self._store(parts, name, doc, expected=expected))

    async def patch(self, request: Request, parts: Served, name: str) -> Response:
        """Change some fields of one: a JSON merge patch (RFC 7396); null takes a field away."""
        patch = _body(await request.body())
        name = await resolve(parts.catalog, self.kind, name)
        version, stored = await parts.catalog.version(self.kind, name)
        expected = expected_version(request.headers, version, required=True)
        doc = self._checked(name, unmasked(self.kind, _merged(stored, patch), stored))
        return self._changed(await self._store(parts, name, doc, expected=expected))

    async def delete(self, request: Request, parts: Served, name: str) -> Response:
        """Delete one; `If-Match` is looked at where it is given."""
        found = await resolve(parts.catalog, self.kind, name)
        version, _ = await parts.catalog.version(self.kind, found)
        expected_version(request.headers, version, required=False)
        expected = version if "if-match" in request.headers else None
        await parts.catalog.delete(self.kind, found, expected=expected)
        parts.webhooks.forget()
        return Response(status_code=204)

    async def pause(self, parts: Served, name: str) -> Response:
        """Stop it until it is resumed."""
        return await self._set_paused(parts, name, True)

    async def resume(self, parts: Served, name: str) -> Response:
        """Let a paused one go on."""
        return await self._set_paused(parts, name, False)

    async def _set_paused(self, parts: Parts, name: str, paused: bool) -> Response:
        found = await resolve(parts.catalog, self.kind, name)
        await switch(parts.catalog, self.kind, found, paused)
        return self._answer(found, *await parts.catalog.version(self.kind, found))

    async def list_versions(
        self, parts: Served, name: str, limit: Limit = 100, cursor: Cursor = None
    ) -> Response:
        """List the latest versions of one, newest first, also of one that was deleted."""
        found = await resolve_or_take(parts.catalog, self.kind, name)
        versions = await parts.catalog.history(self.kind, found)
        if not versions:
            await resolve(parts.catalog, self.kind, name)
        before = int(cursor) if cursor and cursor.isdecimal() else None
        items = [each for each in versions if before is None or each.version < before]
        following = str(items[limit - 1].version) if len(items) > limit else None
        return page([each.to_dict() for each in items[:limit]], following)

    async def show_version(self, parts: Served, name: str, version: int) -> Response:
        """Show one version as it was."""
        found = await resolve_or_take(parts.catalog, self.kind, name)
        for each in await parts.catalog.history(self.kind, found):
            if each.version == version:
                return answer(each.to_dict())
        raise NotFound(f"no version {version} of the {self.kind} {found[:200]!r} is kept")

    async def _stored(self, parts: Parts, name: str) -> tuple[int, Doc] | None:
        try:
            return await parts.catalog.version(self.kind, name)
        except NotFound:
            return None

    async def _store(self, parts: Parts, name: str, doc: Doc, *, expected: int | None) -> Change:
        change = await parts.catalog.put(self.kind, name, doc, expected=expected)
        parts.webhooks.forget()
        return change

    def _checked(self, name: str, body: Doc) -> Doc:
        if body.get("name", name) != name:
            errors: list[dict[str, object]] = [
                {"field": "name", "message": f"is {name!r} here and can't be changed"}
            ]
            raise Refused(422, "invalid-definition", f"name is {name!r} here", errors=errors)
        return check_one(self.plural, {**body, "name": name})

    def _changed(self, change: Change) -> Response:
        unchanged = change.verb is Verb.UNCHANGED
        status = 201 if change.verb is Verb.CREATED else 200
        version = change.version + (not unchanged)
        more = {"warnings": change.warnings} if change.warnings else {}
        return self._answer(change.name, version, change.doc or {}, status=status, **more)

    def _answer(
        self, name: str, version: int, doc: Doc, status: int = 200, **more: Any
    ) -> Response:
        made = answer({**shown(self.kind, name, version, doc), **more}, status)
        made.headers["ETag"] = etag(version)
        if status == 201:
            made.headers["Location"] = f"/api/v1/{self.plural.replace('_', '-')}/{quote(name)}"
        return made


def _body(raw: bytes) -> Doc:
    """Return the JSON object that a body is.

    Raises:
        Refused: 400, or 422 where it is something else.
    """
    try:
        body = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise Refused(400, "not-json", f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Refused(422, "invalid-definition", "the body must be one JSON object")
    return body


def _merged(value: Any, patch: Any) -> Any:
    """Return a value with a merge patch applied (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(value) if isinstance(value, dict) else {}
    for key, item in patch.items():
        if item is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), item)
    return merged


def _repeated(request: Request) -> bool:
    """Tell whether the sender says that they may be asking for the second time."""
    return "idempotency-key" in request.headers
