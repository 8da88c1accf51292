"""Errors as answers: everything that goes wrong becomes ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import ErrorDetails, to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from upshot.automations.exceptions import AutomationsError, InvalidDefinition
from upshot.events import exceptions as events
from upshot.events.ids import new_id
from upshot.events.wording import in_words
from upshot.flows import exceptions as flows

from ..exceptions import (
    HistoryUnavailable,
    NoShadow,
    Overloaded,
    PlanOutdated,
    Refused,
    UnreadableDefinition,
    VersionMismatch,
)

MOST_ERRORS: Final = 20
_RETRY_AFTER: Final = {
    events.StoreUnavailable: "1",
    events.StoreFull: "10",
    Overloaded: "1",
    HistoryUnavailable: "5",
}
_MEANING: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (events.NotFound, 404, "not-found"),
    (events.Conflict, 409, "conflict"),
    (events.IllegalTransition, 409, "illegal-transition"),
    (events.StaleEpoch, 409, "conflict"),
    (events.InvalidEvent, 422, "invalid-event"),
    (events.StoreFull, 503, "store-full"),
    (events.StoreUnavailable, 503, "store-unavailable"),
    (events.StoreUnsuitable, 503, "store-unsuitable"),
    (flows.NotRetryable, 409, "not-retryable"),
    (flows.NotUndoable, 409, "not-undoable"),
    (flows.NotPausable, 409, "not-pausable"),
    (flows.NotResumable, 409, "not-resumable"),
    (flows.InvalidInput, 422, "invalid-input"),
    (flows.WrongParameters, 422, "invalid-parameters"),
    (flows.TerminalFlowsError, 422, "invalid-request"),
    (InvalidDefinition, 422, "invalid-definition"),
    (AutomationsError, 422, "invalid-request"),
    (Overloaded, 503, "overloaded"),
    (HistoryUnavailable, 503, "history-unavailable"),
    (NoShadow, 409, "no-shadow"),
    (PlanOutdated, 409, "plan-outdated"),
    (VersionMismatch, 412, "version-mismatch"),
    (UnreadableDefinition, 409, "unreadable-definition"),
)
_log = structlog.stdlib.get_logger()


def problem(
    status: int,
    kind: str,
    detail: str,
    *,
    errors: list[dict[str, object]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer that tells of a problem; ``kind`` ends its type."""
    body: dict[str, Any] = {
        "type": f"urn:upshot:problem:{kind}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        body["errors"] = errors[:MOST_ERRORS]
    return Response(to_json(body), status, headers, "application/problem+json")


def field_errors(
    error: ValidationError, told: Callable[[ErrorDetails], str] = in_words
) -> list[dict[str, object]]:
    """Return one entry for each wrong field, the first ones of many; ``told`` words them."""
    found = error.errors(include_url=False)[:MOST_ERRORS]
    return [{"field": dotted(wrong["loc"]), "message": told(wrong)} for wrong in found]


def dotted(location: tuple[int | str, ...]) -> str:
    """Write a field's place as people do, without the kinds on the way: ``trigger.expect``."""
    return ".".join(str(part) for part in location if not str(part).startswith("type="))


_RAISED: Final = (
    events.EventsError,
    flows.FlowsError,
    AutomationsError,
    Overloaded,
    HistoryUnavailable,
    NoShadow,
    PlanOutdated,
    UnreadableDefinition,
    VersionMismatch,
)
KNOWN: Final = (Refused, RequestValidationError, *_RAISED)
"""What :func:`tell` answers."""


def install(app: FastAPI) -> None:
    """Answer each known error with its problem."""
    app.add_exception_handler(HTTPException, _framework)
    for kind in KNOWN:
        app.add_exception_handler(kind, _answered)


async def tell(error: Exception) -> Response:
    """Return the problem that a known error is answered with."""
    if isinstance(error, Refused):
        return _refused(error)
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    return _known(error)


async def _answered(request: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError) and _is_form(request):
        detail = (
            "the body came as a form; send JSON, with the header Content-Type: application/json"
        )
        return problem(422, "invalid-request", detail)
    return await tell(error)


def _is_form(request: Request) -> bool:
    """Tell whether the body is what curl and browsers send where nobody names a content type."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in ("application/x-www-form-urlencoded", "multipart/form-data")


def _refused(error: Refused) -> Response:
    return problem(
        error.status, error.kind, error.detail, errors=error.errors, headers=error.headers
    )


def _invalid(error: RequestValidationError) -> Response:
    found = error.errors()
    for wrong in found:
        if wrong["type"] == "json_invalid":
            return problem(400, "not-json", f"the body is not JSON: {wrong['ctx']['error']}")
    errors: list[dict[str, object]] = [
        {"field": dotted(wrong["loc"][1:]) or "body", "message": in_words(wrong)} for wrong in found
    ]
    detail = "; ".join(f"{wrong['field']}: {wrong['message']}" for wrong in errors[:3])
    return problem(422, "invalid-request", detail, errors=errors)


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    detail = f"{request.method} {request.url.path}: {error.detail}"
    return problem(error.status_code, kind, detail, headers=error.headers)


def _known(error: Exception) -> Response:
    for kind, status, name in _MEANING:
        if isinstance(error, kind):
            after = _RETRY_AFTER.get(kind)
            errors: list[dict[str, object]] = []
            if isinstance(error, InvalidDefinition):
                errors = [{"message": line} for line in error.problems]
            elif isinstance(error, flows.WrongFields):
                errors = [{"field": field, "message": wrong} for field, wrong in error.wrong]
            headers = {"Retry-After": after} if after else None
            return problem(status, name, str(error), errors=errors, headers=headers)
    raise error


class CatchAll:
    """ASGI middleware: an unexpected error is logged under an id, and the answer tells the id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            _log.debug("client left", path=scope["path"])
        except Exception as error:
            answer = _unexpected(scope, error)
            if started:  # too late for another answer: the server cuts the connection
                raise
            await answer(scope, receive, send)
        return None


def _unexpected(scope: Scope, error: Exception) -> Response:
    error_id = new_id()
    _log.error("request failed", error_id=error_id, path=scope["path"], exc_info=error)
    detail = f"an unexpected error; the log of the API has it under {error_id}"
    return problem(500, "internal-error", detail)
