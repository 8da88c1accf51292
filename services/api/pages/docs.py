"""The page that shows what the API offers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from .rendering import page

router = APIRouter(include_in_schema=False)

_METHODS: Final = ("get", "post", "put", "patch", "delete")


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Show what the API offers."""
    api = request.app.openapi()
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for operation in operations(api):
        groups[operation["tag"]].append(operation)
    return page("docs.html", api=api, groups=groups)


def operations(api: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each operation of an OpenAPI document, in the form in which the page shows it."""
    for path, methods in api["paths"].items():
        for method in _METHODS:
            if operation := methods.get(method):
                schema = _body_schema(api, operation)
                yield {
                    "method": method.upper(),
                    "path": path,
                    "tag": operation.get("tags", ["other"])[0],
                    "text": operation.get("description") or operation.get("summary", ""),
                    "parameters": [
                        {"description": "", **each} for each in operation.get("parameters", [])
                    ],
                    "fields": schema.get("properties", {}),
                    "required": schema.get("required", []),
                }


def _body_schema(api: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema: dict[str, Any] = content.get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    return api["components"]["schemas"][name] if name else schema
