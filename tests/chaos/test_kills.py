"""The short form of `make chaos`: every part killed a few times, in random order, under load."""

from __future__ import annotations

from pathlib import Path

from .ordeal import undergo

SEED = 20_261_120
KILLS = {"store": 3, "engine": 3, "dispatcher": 3, "api": 3, "worker": 3, "flow": 3, "all": 1}


def test_every_part_may_be_killed_and_nothing_is_lost_doubled_or_stuck(tmp_path: Path) -> None:
    ordeal = undergo(tmp_path, KILLS, SEED, calm=0.3)
    print(ordeal.verdict.counts, ordeal.recovery)
    assert ordeal.verdict.problems == []
    assert len(ordeal.killing.at) == sum(KILLS.values())
