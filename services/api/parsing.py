"""Makes events of a request's body: one, an array, or one a line; all are good or none is taken."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from upshot.events.event import Event, refuse_impostor
from upshot.events.exceptions import InvalidEvent
from upshot.events.finite import require_finite
from upshot.events.ids import derived_id
from upshot.events.wording import in_words

from ..exceptions import Refused
from .appender import Item
from .problems import MOST_ERRORS, dotted

_EVENTS: Final = TypeAdapter(list[Event])
_AT_ONCE: Final = 256 * 1024
"""Bytes that are checked in one go: some fifty milliseconds in which no other request is served."""
_FIELDS: Final = frozenset({"event", "payload"})
_LINES: Final = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
# No single JSON value has an object right after the end of another one.
_NEXT_LINE: Final = re.compile(rb"\}[ \t\r]*\n\s*\{")


def parse_events(body: bytes, content_type: str, key: str | None = None) -> list[Item]:
    """Check a body of events and return them as the log takes them.

    Args:
        content_type: of the request; NDJSON is also known by its looks.
        key: the request's Idempotency-Key; events without an id get theirs from it.

    Raises:
        Refused: 400 not JSON; 422 with index and field of what is wrong; 413 an event too large.
    """
    return [item_of(index, event, key) for index, event in enumerate(_parse(body, content_type))]


async def parse_in_turn(body: bytes, content_type: str, key: str | None = None) -> list[Item]:
    """Check a body as :func:`parse_events`; between parts of a large one others get their turn.

    Raises:
        Refused: as :func:`parse_events`; of a large body it tells the errors of one part only.
    """
    body = body.strip()
    if len(body) <= _AT_ONCE:
        return parse_events(body, content_type, key)
    items: list[Item] = []
    for events in _parts(body, content_type):
        items += [item_of(index, each, key) for index, each in enumerate(events, len(items))]
        await asyncio.sleep(0)
    return items


def _parts(body: bytes, content_type: str) -> Iterator[list[Event]]:
    """Yield the events of a large body, some at a time."""
    if _are_lines(body, content_type):
        lines = _lines(body)
        step = max(1, _AT_ONCE * len(lines) // len(body))
        for start in range(0, len(lines), step):
            yield _checked_lines(lines[start : start + step], start)
    elif not body.startswith(b"["):
        yield _parse(body, content_type)
    else:
        values = _values(body)
        step = max(1, _AT_ONCE * len(values) // len(body))
        for start in range(0, len(values), step):
            yield _checked_values(values[start : start + step], start)


def _values(body: bytes) -> list[Any]:
    try:
        return from_json(body)  # type: ignore[no-any-return]  # it starts with a bracket
    except ValueError as error:
        raise Refused(400, "not-json", f"the body is not JSON: {error}") from error


def _checked_values(values: list[Any], start: int) -> list[Event]:
    try:
        return _EVENTS.validate_python(values)
    except ValidationError as error:
        raise _invalid(error.errors(include_url=False), start) from error


def _parse(body: bytes, content_type: str) -> list[Event]:
    stripped = body.strip()
    if not stripped:
        raise Refused(400, "not-json", "the body is empty; send an event, an array or NDJSON")
    if _are_lines(stripped, content_type):
        return _checked_lines(_lines(stripped))
    if stripped.startswith(b"["):
        return _checked_json(stripped)
    return _checked_json(b"[" + stripped + b"]")


def _are_lines(body: bytes, content_type: str) -> bool:
    if content_type.partition(";")[0].strip().lower() in _LINES:
        return True
    return body.startswith(b"{") and _NEXT_LINE.search(body) is not None


def _lines(body: bytes) -> list[bytes]:
    return [line for line in body.split(b"\n") if line and not line.isspace()]


def _checked_lines(lines: list[bytes], start: int = 0) -> list[Event]:
    try:
        events = _EVENTS.validate_json(b"[" + b",".join(lines) + b"]")
    except ValidationError as error:
        _require_json(lines, start)
        raise _invalid(error.errors(include_url=False), start) from error
    if len(events) != len(lines):
        _require_json(lines, start)
    return events


def _require_json(lines: Iterable[bytes], start: int) -> None:
    for index, line in enumerate(lines, start):
        try:
            from_json(line)
        except ValueError as error:
            detail = f"line {index + 1}: not JSON: {error}"
            errors: list[dict[str, object]] = [{"index": index, "field": "", "message": str(error)}]
            raise Refused(400, "not-json", detail, errors=errors) from error


def _checked_json(body: bytes) -> list[Event]:
    try:
        return _EVENTS.validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False)
        if found[0]["type"] == "json_invalid":
            raise Refused(400, "not-json", f"the body is not JSON: {found[0]['msg']}") from error
        raise _invalid(found) from error


def _invalid(found: Sequence[Any], start: int = 0) -> Refused:
    errors: list[dict[str, object]] = [
        {
            "index": start + wrong["loc"][0],
            "field": dotted(wrong["loc"][1:]),
            "message": in_words(wrong),
        }
        for wrong in found[:MOST_ERRORS]
    ]
    first = errors[0]
    detail = f"event {first['index']}: {first['field'] or 'event'}: {first['message']}"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Refused(422, "invalid-event", f"{detail}{more}; no event was taken", errors=errors)


def item_of(index: int, event: Event, key: str | None = None) -> Item:
    """Return an event as the log takes it; one without an id has one from the request's key.

    Raises:
        Refused: 422 it speaks for Upshot, or is not JSON; 413 it is too large.
    """
    chosen = "id" in event.model_fields_set
    if key is not None and not chosen:
        event = event.model_copy(update={"id": derived_id("idempotency-key", key, str(index))})
        chosen = True
    try:
        refuse_impostor(event)
        body = event.to_json()
        # Most events have no null but that of `follows`, so there is nothing to look for.
        if body.count(b"null") > (event.follows is None):
            require_finite(event.payload, body)
    except InvalidEvent as error:
        raise unfit(f"event {index}", error, index=index) from error
    return (event.id if chosen else "", body)


def unfit(what: str, error: InvalidEvent, **where: object) -> Refused:
    """Return the refusal of an event that the log can't take: too large, too deep, an impostor."""
    text = str(error)
    place, named, message = text.partition(": ")
    if place.partition(".")[0] not in _FIELDS or not named:
        place, message = "", text
    errors: list[dict[str, object]] = [{**where, "field": place, "message": message}]
    if place:
        return Refused(422, "invalid-event", f"{what}: {error}", errors=errors)
    return Refused(413, "event-too-large", f"{what}: {error}", errors=errors)
