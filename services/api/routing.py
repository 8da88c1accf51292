"""Reads JSON bodies of FastAPI's routes strictly: what could not be written back is no JSON."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from json import JSONDecodeError
from typing import Any

from fastapi.routing import APIRoute
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response

from upshot.events.event import MAX_NESTING, nesting

from .payloads import NOT_FINITE, is_finite


class _StrictRequest(Request):
    async def json(self) -> Any:
        """Return the body's JSON; no NaN, no lone surrogate, no depth that readers choke on."""
        try:
            value = from_json(await self.body(), allow_inf_nan=False)
        except ValueError as error:
            raise JSONDecodeError(str(error), "", 0) from error
        if nesting(value) > MAX_NESTING:
            raise JSONDecodeError(f"nested deeper than {MAX_NESTING} levels", "", 0)
        if not is_finite(value):
            raise JSONDecodeError(NOT_FINITE, "", 0)
        return value


class StrictRoute(APIRoute):
    """A route whose body is read so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def read_strictly(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return read_strictly
