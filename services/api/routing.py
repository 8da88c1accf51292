"""Takes requests of FastAPI's routes strictly: nothing unknown, nothing beyond JSON, no repeat."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from json import JSONDecodeError
from typing import Any

from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response

from upshot.automations.suggestions import did_you_mean
from upshot.events.event import MAX_NESTING, nesting
from upshot.events.finite import NOT_FINITE, not_finite

from ..exceptions import Refused
from .idempotency import once


async def refuse_unknown(request: Request) -> None:
    """Do nothing, or refuse a parameter that is unknown, or given twice: it would change nothing.

    Raises:
        Refused: 422 naming the parameter, and the one that was probably meant.
    """
    if not request.query_params:
        return
    params = get_flat_params(request.scope["route"].dependant)
    known = {param.alias for param in params if isinstance(param.field_info, Query)}
    for name in request.query_params:
        message = _wrong(name, request, known)
        if message:
            errors: list[dict[str, object]] = [{"field": name, "message": message}]
            raise Refused(422, "invalid-request", f"{name[:200]}: {message}", errors=errors)


def _wrong(name: str, request: Request, known: set[str]) -> str | None:
    if name not in known:
        return f"unknown parameter{did_you_mean(name, known)}"
    return "is given twice" if len(request.query_params.getlist(name)) > 1 else None


class _StrictRequest(Request):
    async def json(self) -> Any:
        """Return the body's JSON; no NaN, no lone surrogate, no depth that readers choke on."""
        try:
            value = from_json(await self.body(), allow_inf_nan=False)
        except ValueError as error:
            raise JSONDecodeError(str(error), "", 0) from error
        if nesting(value) > MAX_NESTING:
            raise JSONDecodeError(f"nested deeper than {MAX_NESTING} levels", "", 0)
        if (way := not_finite(value)) is not None:
            raise JSONDecodeError(f"{way}: {NOT_FINITE}" if way else NOT_FINITE, "", 0)
        return value


class StrictRoute(APIRoute):
    """A route whose body is read so, and that does once what is asked for twice under one key."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def read_strictly(request: Request) -> Response:
            return await once(_StrictRequest(request.scope, request.receive), handle)

        return read_strictly
