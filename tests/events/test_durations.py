"""Durations are read as people write them, and written so that they are read back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshot.events.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("10m", 600), ("1h30m", 5400), ("500ms", 0.5), ("2d", 172800), (5, 5), (1.5, 1.5),
        ("7", 7), ("1w", 604800), ("0", 0), ("1.5h", 5400), (" 1h 5s ", 3605),
    ],
)  # fmt: skip
def test_durations_are_read(written: object, seconds: float) -> None:
    assert parse_duration(written) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "wrong", ["", "m", "10x", "-5s", -1, True, None, [], "1h-5m", float("inf"), "9" * 60 + "d"]
)
def test_what_is_no_duration_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(wrong)


@given(st.integers(0, 10**11))
def test_a_duration_survives_being_written_and_read(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration
