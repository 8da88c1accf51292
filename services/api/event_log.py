"""Events go out: lists of them, newest first, and a stream that follows the log."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from upshot.events.event import Recorded

from ..exceptions import Refused
from ..history.events import search
from ..history.filters import EventFilter
from .answers import HEARTBEAT, Cursor, Limit, Moment, comment, message, moment_ms, page, stream
from .parts import Served
from .tail import show

router = APIRouter(prefix="/api/v1/events", tags=["events"])

_POSITION: Final = re.compile(r"[0-9]{1,16}-[0-9]{1,16}")


@router.get("")
async def list_events(
    parts: Served,
    event: str | None = None,
    resource: str | None = None,
    since: Moment = None,
    until: Moment = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List events, newest first; `event` and `resource` may be globs.

    Each has the time at which it was `received` and its `position` in the log. A page may be
    short, or even empty, though there are more: as long as `next` is not null.
    """
    found, following = await search(
        parts.store,
        parts.archive,
        EventFilter.of(event, resource),
        since=moment_ms("since", since),
        until=moment_ms("until", until),
        limit=limit,
        before=position_of("cursor", cursor),
    )
    return page([show(each) for each in found], following)


@router.get("/stream")
async def stream_events(
    request: Request, parts: Served, event: str | None = None, resource: str | None = None
) -> Response:
    """Follow the log as server-sent events: from now on, or after the `Last-Event-ID`."""
    last = request.headers.get("last-event-id")
    cursor = position_of("Last-Event-ID", last) or await parts.tail.end()
    wanted = EventFilter.of(event, resource)
    return stream(_messages(parts.tail.follow(cursor, HEARTBEAT), wanted))


async def _messages(
    batches: AsyncIterator[list[Recorded]], wanted: EventFilter
) -> AsyncIterator[bytes]:
    yield comment("from here on")
    said = time.monotonic()
    async for batch in batches:
        messages = [
            message(show(each), position=each.position) for each in batch if wanted.matches(each)
        ]
        if messages or time.monotonic() - said >= HEARTBEAT:
            yield b"".join(messages) or comment("alive")
            said = time.monotonic()


def position_of(name: str, given: str | None) -> str | None:
    """Return a log position that was given, or None; refuse what is none, naming the field."""
    if given is None or given == "":
        return None
    if not _POSITION.fullmatch(given):
        detail = "a position of the log is two numbers: 1763622000123-0"
        errors: list[dict[str, object]] = [{"field": name, "message": detail}]
        raise Refused(422, "invalid-request", f"{name}: {detail}", errors=errors)
    return given
