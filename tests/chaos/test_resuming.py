"""Flows that are killed at any moment end as if they were not, and do nothing twice."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .resuming import undergo


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSHOT_DATA_DIR", "")  # so that it is put back
    monkeypatch.setenv("UPSHOT_LOG_LEVEL", "error")


def test_a_flow_killed_a_few_times_ends_as_if_it_was_not(tmp_path: Path) -> None:
    outcome = undergo(tmp_path, 8, seed=4)
    assert outcome.problems == []


@pytest.mark.chaos
def test_flows_and_their_store_are_killed_for_long(tmp_path: Path) -> None:
    seed = int(time.time())
    outcome = undergo(tmp_path, 200, seed, store_too=True)
    print(f"seed {seed}: {outcome}")
    assert outcome.problems == []
