"""How answers look: JSON, pages of a list, streams; and how their queries are read."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import Query
from pydantic_core import to_json
from starlette.responses import Response, StreamingResponse

from upshot.events.durations import milliseconds, parse_duration
from upshot.events.places import Place

from ..exceptions import Refused

HEARTBEAT: Final = 15.0
"""Seconds after which a silent stream shows that it is alive."""

Limit = Annotated[int, Query(ge=1, le=1000, description="How many items at most.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before.")]
Moment = Annotated[
    str | None, Query(max_length=64, description="ISO 8601, or how long ago: `10m`, `2d`.")
]


def answer(value: Any, status: int = 200) -> Response:
    """Return a value as JSON."""
    return Response(to_json(value), status, media_type="application/json")


def page(items: Sequence[Any], following: str | None = None) -> Response:
    """Return a part of a list, and the cursor of the next one if there may be more."""
    return answer({"items": items, "next": following})


def page_by(
    key: str, items: Sequence[Mapping[str, Any]], limit: int, cursor: str | None
) -> Response:
    """Return a page of a list that is at hand whole, in the order of a field of its items."""
    left = [each for each in items if cursor is None or each[key] > cursor]
    return page(left[:limit], left[limit - 1][key] if len(left) > limit else None)


def place_of(cursor: str | None) -> Place | None:
    """Return the place that a list's cursor names, or None; refuse what is none."""
    if not cursor:
        return None
    try:
        return Place.parse(cursor)
    except ValueError as error:
        errors: list[dict[str, object]] = [{"field": "cursor", "message": str(error)}]
        raise Refused(422, "invalid-request", f"cursor: {error}", errors=errors) from error


def stream(messages: AsyncIterator[bytes]) -> Response:
    """Return server-sent events as they come."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(messages, headers=headers, media_type="text/event-stream")


def message(value: Any, *, position: str | None = None, name: str | None = None) -> bytes:
    """Return one server-sent event: its id, its name and its JSON."""
    head = b""
    if position is not None:
        head += f"id: {position}\n".encode()
    if name is not None:
        head += f"event: {name}\n".encode()
    return head + b"data: " + to_json(value) + b"\n\n"


def comment(text: str) -> bytes:
    """Return a line that clients skip; it keeps connections alive and shows that they stand."""
    return f": {text}\n\n".encode()


def moment_ms(name: str, given: str | None) -> int | None:
    """Return the Unix milliseconds that a query's time means; None where none is given.

    Raises:
        Refused: 422 naming the parameter.
    """
    if given is None:
        return None
    try:
        return max(0, _ago(given) or _absolute(given))  # the log has no time before 1970
    except (ValueError, OverflowError) as error:
        message = "write an ISO 8601 time such as 2026-11-20T07:00:00Z, or how long ago: 10m, 2d"
        errors: list[dict[str, object]] = [{"field": name, "message": message}]
        raise Refused(422, "invalid-request", f"{name}: {message}", errors=errors) from error


def _ago(given: str) -> int | None:
    try:
        ago: timedelta = parse_duration(given)
    except ValueError:
        return None
    return int(time.time() * 1000) - milliseconds(ago)


def _absolute(given: str) -> int:
    # The + of an offset is a blank once a client left it unescaped in a URL.
    parsed = datetime.fromisoformat(given.replace(" ", "+") if "T" in given else given)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    return int(parsed.timestamp() * 1000)
