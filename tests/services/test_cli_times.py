"""Times and durations as the command line shows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from upshot.services.cli import times

NOW = datetime(2026, 11, 20, 8, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0004, "0ms"),
        (0.84, "840ms"),
        (1.25, "1.25s"),
        (10, "10s"),
        (59.999, "60s"),
        (125, "2m 5s"),
        (3600, "1h"),
        (3 * 86400 + 4 * 3600 + 59, "3d 4h"),
        (-5, "-5s"),
    ],
)
def test_a_duration_shows_its_two_largest_units(seconds: float, text: str) -> None:
    assert times.duration(seconds) == text


def test_times_are_shown_in_the_local_zone() -> None:
    berlin = timezone(timedelta(hours=1))
    assert times.local("2026-11-20T07:00:00.5Z", berlin) == "2026-11-20 08:00:00"
    assert times.clock("2026-11-20T07:00:00.123456Z", berlin) == "08:00:00.123"


def test_unix_milliseconds_are_a_time_too() -> None:
    assert times.parse(1_763_622_000_123) == datetime(2025, 11, 20, 7, 0, 0, 123_000, tzinfo=UTC)


def test_no_time_is_a_dash() -> None:
    assert times.local(None) == times.clock("") == times.ago(None, NOW) == "-"
    assert times.between(None, None, NOW) == "-"


def test_what_has_not_ended_takes_until_now() -> None:
    assert times.between("2026-11-20T07:58:00Z", None, NOW) == "2m"
    assert times.between("2026-11-20T07:58:00Z", "2026-11-20T07:58:01.5Z", NOW) == "1.5s"


def test_how_long_ago_goes_both_ways() -> None:
    assert times.ago("2026-11-20T07:57:55Z", NOW) == "2m 5s ago"
    assert times.ago("2026-11-20T08:05:00Z", NOW) == "in 5m"
    assert times.ago("2026-11-20T08:00:00.4Z", NOW) == "just now"
