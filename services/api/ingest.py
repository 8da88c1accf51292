"""Events come in: read → check → append together with others → 202 once they are durable."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from upshot.events.log import Appended

from ..exceptions import Refused
from .bodies import read_body
from .parsing import parse_in_turn
from .parts import parts_of

_LONGEST_KEY = 255


async def post_events(request: Request) -> Response:
    """Take one event, an array or NDJSON; all of them or none."""
    parts = parts_of(request)
    try:
        body = await read_body(request, parts.settings.max_body)
        kind, key = request.headers.get("content-type", ""), idempotency_key(request)
        items = await parse_in_turn(body, kind, key)
    except Refused as refusal:
        parts.rejections.count(refusal.kind)
        raise
    return accepted(await parts.appender.submit(items))


def idempotency_key(request: Request) -> str | None:
    """Return the request's Idempotency-Key, or None; an absurd one is refused."""
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= _LONGEST_KEY:
        detail = f"Idempotency-Key: give 1 to {_LONGEST_KEY} characters"
        raise Refused(400, "wrong-idempotency-key", detail)
    return key


def accepted(appended: Appended) -> Response:
    """Return the acknowledgement."""
    duplicates = appended.duplicates
    body = f'{{"accepted":{len(appended.positions) - duplicates},"duplicates":{duplicates}}}'
    return Response(body, 202, media_type="application/json")
