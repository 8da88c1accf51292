"""Downtimes are not silence, and silence before a downtime is found after it."""

from __future__ import annotations

from pathlib import Path

from . import absence


def test_through_downtimes_only_real_silence_is_found(tmp_path: Path) -> None:
    downtimes = (absence.the_api_stopped, absence.everything_killed, absence.the_machine_asleep)
    silences = absence.undergo(tmp_path, downtimes, seed=8)
    assert silences.problems == []
    assert silences.found.total() == len(downtimes) + 1
