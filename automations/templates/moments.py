"""The filter with which templates write times as people and parameters want them."""

from __future__ import annotations

import re
from typing import Any, Final

from jinja2.exceptions import SecurityError

from ..triggers.clock import moment_of, parse_moment, zone

MAX_FORMAT: Final = 200
_FORMAT: Final = re.compile(r"(?:[^%]|%[aAbBdfHIjmMpSuVyYzZGFT%])*")
"""What C libraries understand besides these takes widths, which make texts without an end."""


def strftime(value: Any, form: str = "%Y-%m-%d", timezone: str = "UTC") -> str:
    """Return a time as a text.

    Args:
        value: Unix milliseconds, as ``firing.at``, or ISO 8601 with an offset, as an event's times.
        form: as Python's ``strftime`` has it; the day, where it is left out.
        timezone: where the clock hangs, as ``Europe/Berlin``.

    Raises:
        SecurityError: the format is too long, or has what no format here may have.
        ValueError: it is no time, or there is no such time zone.
    """
    if len(form) > MAX_FORMAT or not _FORMAT.fullmatch(form):
        raise SecurityError(f"strftime: {form[:40]!r} is no format; write '%Y-%m-%d %H:%M'")
    ms = value if isinstance(value, int) and not isinstance(value, bool) else parse_moment(value)
    if ms is None:
        raise ValueError(f"strftime: {str(value)[:40]!r} is no time")
    try:
        return moment_of(ms, zone(timezone)).strftime(form)
    except OverflowError as error:
        raise ValueError(f"strftime: {ms} is beyond the times that a calendar has") from error
