"""Durations as people write them: ``10m``, ``1h30m``, ``500ms``, ``2d`` or a number of seconds."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS: Final = {
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[wdhms])")
_WHOLE: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[wdhms]))+")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
# For schemas, whose patterns know no flags.
WRITTEN: Final = r"^\s*(\d+(\.\d+)?|(\d+(\.\d+)?\s*([mM][sS]|[wWdDhHmMsS])\s*)+)\s*$"
_LONGEST: Final = timedelta(days=3660)


def parse_duration(value: object) -> timedelta:
    """Return the duration that ``value`` means, rounded to milliseconds.

    Raises:
        ValueError: it is not a duration, is negative, or is longer than ten years.
    """
    duration = _parse(value)
    if duration < timedelta(0):
        raise ValueError("a duration can't be negative")
    if duration > _LONGEST:
        raise ValueError("a duration can't be longer than ten years")
    return timedelta(milliseconds=milliseconds(duration))


def _parse(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    text = "" if isinstance(value, bool) else str(value).strip().lower().replace(" ", "")
    if len(text) <= 64 and _NUMBER.fullmatch(text):
        return _of_milliseconds(float(text) * 1000)
    if len(text) <= 64 and _WHOLE.fullmatch(text):
        return _of_milliseconds(sum(float(n) * _UNITS[unit] for n, unit in _PART.findall(text)))
    raise ValueError("not a duration; write 10m, 1h30m, 500ms, 2d or a number of seconds")


def _of_milliseconds(value: float) -> timedelta:
    return timedelta(milliseconds=min(value, 1e14))


def milliseconds(duration: timedelta) -> int:
    """Return a duration in whole milliseconds."""
    return round(duration / timedelta(milliseconds=1))


def format_duration(duration: timedelta) -> str:
    """Write a duration the shortest way that :func:`parse_duration` reads back."""
    left, parts = milliseconds(duration), []
    for unit, size in _UNITS.items():
        count, left = divmod(left, size)
        if count and unit != "w":
            parts.append(f"{count}{unit}")
        elif count:
            left += count * size  # weeks are read, and written as days
    return "".join(parts) or "0s"


def _validate(value: Any) -> timedelta:
    return parse_duration(value)


Duration = Annotated[
    timedelta,
    BeforeValidator(_validate),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {
            "type": ["string", "number"],
            "pattern": WRITTEN,
            "minimum": 0,
            "examples": ["10m", "1h30m", "500ms", "2d"],
        }
    ),
]
"""A span of time: ``timedelta`` inside, ``"1h30m"`` in files and JSON."""


def _after_start(value: Any) -> Any:
    return value.strip().removeprefix("+") if isinstance(value, str) else value


Offset = Annotated[
    Duration,
    BeforeValidator(_after_start),
    WithJsonSchema(
        {
            "type": ["string", "number"],
            "pattern": WRITTEN.replace("^", r"^\s*\+?", 1),
            "minimum": 0,
            "examples": ["+5m", "1h30m"],
        }
    ),
]
"""A time of a test, counted from its start: ``+5m``."""
