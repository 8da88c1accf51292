"""Events go out: lists of them, newest first, and a stream that follows the log."""

from __future__ import annotations

import fnmatch
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from pydantic_core import to_json
from starlette.responses import Response

from upshot.events.event import Recorded
from upshot.events.log import recorded
from upshot.events.store import Store

from ..exceptions import Refused
from .answers import HEARTBEAT, Cursor, Limit, Moment, comment, message, moment_ms, page, stream
from .parts import Served
from .tail import show

router = APIRouter(prefix="/api/v1/events", tags=["events"])

_PAGE: Final = 200
_MOST_BYTES: Final = 4 * 1024 * 1024
"""Of events that one answer holds; the others come with the next page."""
_MOST_SCANNED: Final = 50_000
"""Entries that one request looks at; a rare event's search goes on with the next page."""

_GLOB: Final = re.compile(r"[*?\[]")
_POSITION: Final = re.compile(r"[0-9]{1,16}-[0-9]{1,16}")


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted.

    Attributes:
        event, resource: pattern of the name, and of the resource's id; None for any.
        needle: bytes that the JSON of a wanted event has for sure.
    """

    event: re.Pattern[str] | None
    resource: re.Pattern[str] | None
    needle: bytes

    @classmethod
    def of(cls, event: str | None, resource: str | None) -> EventFilter:
        """Make a filter of names that may be globs; several are separated by commas."""
        literal = next((each for each in (resource, event) if each and _is_literal(each)), None)
        return cls(_pattern(event), _pattern(resource), to_json(literal) if literal else b"")

    def matches(self, event: Recorded) -> bool:
        return (self.event is None or self.event.fullmatch(event.name) is not None) and (
            self.resource is None or self.resource.fullmatch(event.resource["id"]) is not None
        )


def _is_literal(names: str) -> bool:
    return "," not in names and not _GLOB.search(names)


def _pattern(names: str | None) -> re.Pattern[str] | None:
    if not names:
        return None
    return re.compile("|".join(fnmatch.translate(name.strip()) for name in names.split(",")))


async def search(
    store: Store,
    wanted: EventFilter,
    *,
    since: int | None = None,
    until: int | None = None,
    limit: int = 100,
    before: str | None = None,
) -> tuple[list[Recorded], str | None]:
    """Return events newest first, and from where to go on, or None at the end.

    Args:
        since, until: Unix ms, both included. before: a log position, excluded.
    """
    high = f"({before}" if before else "+" if until is None else str(until)
    low = "-" if since is None else str(since)
    found: list[Recorded] = []
    size = 0
    for _ in range(_MOST_SCANNED // _PAGE):
        key = store.keys("log")
        entries = await store.execute("XREVRANGE", key, high, low, "COUNT", _PAGE)
        for entry in entries:
            if wanted.needle in entry[1][1] and wanted.matches(event := recorded(entry)):
                found.append(event)
                size += event.size
                if len(found) == limit or size > _MOST_BYTES:
                    return found, event.position
        if len(entries) < _PAGE:
            return found, None
        high = f"({entries[-1][0].decode()}"
    return found, high[1:]


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
