"""Who is stopped for longer than its lease finds it taken, and writes nothing when it wakes."""

from __future__ import annotations

from pathlib import Path

from . import stops


def test_a_stopped_owner_and_a_stopped_flow_write_nothing_once_they_wake(tmp_path: Path) -> None:
    assert stops.undergo(tmp_path, 2, seed=5).problems == []
