"""Clock times and time zones as triggers ask for them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Return the time zone of this name.

    Raises:
        ValueError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"no time zone is called '{name}'; write Europe/Berlin or UTC") from error


def _known(name: str) -> str:
    zone(name)
    return name


def _clock(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 86_400:
        # YAML reads 07:00 without quotes as 420, the minutes of a number to the base of sixty.
        raise ValueError("write the time in quotes: '07:00'")
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value if isinstance(value, time) else _refuse()
    hour, minute, second = (int(part or 0) for part in found.groups())
    return time(hour, minute, second)


def _refuse() -> Any:
    raise ValueError("not a clock time; write '07:00' or '07:00:30'")


TimeZone = Annotated[str, Field(max_length=64), AfterValidator(_known)]
"""The name of a time zone such as ``Europe/Berlin``."""

ClockTime = Annotated[
    time,
    BeforeValidator(_clock),
    PlainSerializer(lambda value: value.isoformat(), return_type=str),
    WithJsonSchema({"type": "string", "examples": ["07:00", "07:00:30"]}),
]
"""A time of the day: ``"07:00"``."""


def milliseconds_of(moment: datetime) -> int:
    """Return a moment in Unix milliseconds."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def moment_of(ms: int, tz: ZoneInfo) -> datetime:
    """Return Unix milliseconds as a moment in a time zone."""
    return (_EPOCH + timedelta(milliseconds=ms)).astimezone(tz)


def next_clock_time(ms: int, clock: time, tz: ZoneInfo) -> int:
    """Return when after ``ms`` it is next this time of the day; one that is skipped comes later."""
    today = moment_of(ms, tz).date()
    days = (_at(today + timedelta(days=n), clock, tz) for n in range(3))
    return next(moment for moment in days if moment > ms)


def _at(day: date, clock: time, tz: ZoneInfo) -> int:
    return milliseconds_of(datetime.combine(day, clock, tz).astimezone(UTC))


def parse_moment(text: Any) -> int | None:
    """Return the Unix milliseconds of an ISO 8601 text, or None where it is none."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return milliseconds_of(moment) if moment.tzinfo else None
