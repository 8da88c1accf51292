"""Events come in: read → check → append together with others → 202 once they are durable."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from upshot.events.log import Appended

from ..exceptions import Refused
from .appender import Item
from .bodies import read_body
from .cloud_events import are_cloud_events, parse_cloud_events
from .idempotency import idempotency_key, require_same
from .parsing import parse_in_turn
from .parts import parts_of


async def post_events(request: Request) -> Response:
    """Take one event, an array, NDJSON or CloudEvents; all of them or none."""
    parts = parts_of(request)
    try:
        body = await read_body(request, parts.settings.max_body)
        items = await _parsed(request, body)
        await require_same(request, body)
    except Refused as refusal:
        parts.rejections.count(refusal.kind)
        raise
    return accepted(await parts.appender.submit(items))


async def _parsed(request: Request, body: bytes) -> list[Item]:
    if are_cloud_events(request.headers):
        return await parse_cloud_events(body, request.headers)
    kind = request.headers.get("content-type", "")
    return await parse_in_turn(body, kind, idempotency_key(request))


def accepted(appended: Appended) -> Response:
    """Return the acknowledgement."""
    duplicates = appended.duplicates
    body = f'{{"accepted":{len(appended.positions) - duplicates},"duplicates":{duplicates}}}'
    return Response(body, 202, media_type="application/json")
