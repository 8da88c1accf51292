"""What the pages load: their style, their script, and htmx."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from upshot.events.exceptions import NotFound

from .rendering import PageRoute

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_TYPES: Final = {"app.css": "text/css", "app.js": "text/javascript", "htmx.js": "text/javascript"}


def _read(name: str) -> tuple[bytes, str]:
    body = files("upshot.services.api.pages").joinpath("static", name).read_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:16]}"'


_FILES: Final = {name: _read(name) for name in _TYPES}


@router.get("/static/{name}")
async def static(request: Request, name: str) -> Response:
    """Serve one of the files; browsers ask each time whether theirs is still the one."""
    if name not in _FILES:
        raise NotFound(f"there is no {name[:100]!r} here")
    body, tag = _FILES[name]
    headers = {"ETag": tag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=_TYPES[name])
