"""The OpenAPI document: what FastAPI knows, and the two routes that do without it."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from upshot.events.event import Event

_ACKNOWLEDGED: Final = {
    "type": "object",
    "properties": {"accepted": {"type": "integer"}, "duplicates": {"type": "integer"}},
    "required": ["accepted", "duplicates"],
}
_PROBLEM: Final = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["type", "title", "status", "detail"],
}
_CLOUD_EVENT: Final = {"type": "object", "description": "A CloudEvent 1.0."}
_EVENT: Final = {"$ref": "#/components/schemas/Event"}


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


_KEY: Final = _header(
    "Idempotency-Key", "Do this once: the same request with the same key is answered as it was."
)


def install(app: FastAPI) -> None:
    """Let the app describe all of its routes."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _describe(app)
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _describe(app: FastAPI) -> dict[str, Any]:
    api = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    schemas = api.setdefault("components", {}).setdefault("schemas", {})
    event = Event.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(event.pop("$defs", {}), Event=event, Problem=_PROBLEM)
    api["paths"].setdefault("/api/v1/events", {})["post"] = _post_events()
    api["paths"]["/hooks/{slug}"] = {"post": _post_hook()}
    for path, methods in api["paths"].items():
        for operation in methods.values():
            _tell_problems(operation["responses"])
        if path.startswith("/api/") and "post" in methods:
            methods["post"].setdefault("parameters", []).append(_KEY)
    return api


def _tell_problems(responses: dict[str, Any]) -> None:
    """Every error of every operation is a problem document."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses.pop("422", None)
    responses["default"] = {"description": "A problem (RFC 9457).", "content": content}


def _post_events() -> dict[str, Any]:
    return {
        "tags": ["events"],
        "summary": "Send events",
        "operationId": "post_events",
        "description": "Take one event, an array, NDJSON, or CloudEvents: all of them, or none "
        "where one is wrong. 202 means that they are durable. An id that the sender chose "
        "is accepted once.",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [_EVENT, {"type": "array", "items": _EVENT}]}
                },
                "application/x-ndjson": {"schema": {"type": "string"}},
                "application/cloudevents+json": {"schema": _CLOUD_EVENT},
                "application/cloudevents-batch+json": {
                    "schema": {"type": "array", "items": _CLOUD_EVENT}
                },
            },
        },
        "responses": {"202": _acknowledged()},
    }


def _post_hook() -> dict[str, Any]:
    return {
        "tags": ["events"],
        "summary": "Deliver to a webhook",
        "operationId": "post_hook",
        "description": "Take a signed delivery; it becomes the event `webhook.<slug>`.",
        "parameters": [
            {"name": "slug", "in": "path", "required": True, "schema": {"type": "string"}},
            _header("X-Hub-Signature-256", "HMAC-SHA256 of the body, from GitHub."),
            _header("X-Signature-256", "HMAC-SHA256 of the body, from others."),
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        "responses": {"202": _acknowledged()},
    }


def _acknowledged() -> dict[str, Any]:
    return {
        "description": "Durable.",
        "content": {"application/json": {"schema": _ACKNOWLEDGED}},
    }
