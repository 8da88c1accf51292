"""Limits hold, no slot leaks, nothing starves while who has slots or gives them is killed."""

from __future__ import annotations

from pathlib import Path

from . import queueing


def test_limits_hold_and_all_runs_end_whoever_is_killed_or_stopped(tmp_path: Path) -> None:
    outcome = queueing.undergo(tmp_path, 5, seed=2)
    assert outcome.problems == []
    assert outcome.kills >= 5
    assert outcome.waits > 0
