"""Times and durations as people read them; all of it pure."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Final

_UNITS: Final = (("d", 86_400), ("h", 3600), ("m", 60))


def parse(moment: str | float | None) -> datetime | None:
    """Return an ISO 8601 text or Unix milliseconds as a time; None for nothing."""
    if moment is None or moment == "":
        return None
    if isinstance(moment, int | float):
        return datetime.fromtimestamp(moment / 1000, UTC)
    return datetime.fromisoformat(moment)


def local(moment: str | float | None, zone: tzinfo | None = None) -> str:
    """Return a moment in local time: ``2026-11-20 08:00:00``; ``-`` for none."""
    time = parse(moment)
    return "-" if time is None else time.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def clock(moment: str | float | None, zone: tzinfo | None = None) -> str:
    """Return a moment's local time of day to the millisecond: ``08:00:00.123``."""
    time = parse(moment)
    return "-" if time is None else time.astimezone(zone).strftime("%H:%M:%S.%f")[:-3]


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: ``3d 4h``, ``2m 5s``, ``1.25s``, ``840ms``."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.2f}".rstrip("0").rstrip(".") + "s"
    left, parts = round(seconds), []
    for unit, size in (*_UNITS, ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def between(start: str | float | None, end: str | float | None, now: datetime) -> str:
    """Return how long something took, or has been taking as of ``now``; ``-`` if it never began."""
    began, ended = parse(start), parse(end)
    return "-" if began is None else duration(((ended or now) - began).total_seconds())


def ago(moment: str | float | None, now: datetime) -> str:
    """Return how long ago something was: ``2m 5s ago``, ``just now``; ``in 5m`` for the future."""
    time = parse(moment)
    if time is None:
        return "-"
    seconds = (now - time).total_seconds()
    if abs(seconds) < 1:
        return "just now"
    if seconds < 0:
        return f"in {duration(round(-seconds))}"
    return f"{duration(round(seconds))} ago"


def now() -> datetime:
    """Return the present time, in UTC."""
    return datetime.now(UTC)
