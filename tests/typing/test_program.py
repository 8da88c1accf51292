"""The program that type checkers read runs, too."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.typing import modules, program


def test_the_program_runs(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSHOT_REDIS_URL", store_url)
    monkeypatch.setenv("UPSHOT_DATA_DIR", str(tmp_path))
    assert program.small("monday") == [6]
    assert asyncio.run(program.nightly(["x"])) == {"x": b"x"}
    assert program.Shop().prices(["ab"]) == [1.0]


def test_the_program_with_other_import_lines_runs(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSHOT_REDIS_URL", store_url)
    monkeypatch.setenv("UPSHOT_DATA_DIR", str(tmp_path))
    assert modules.measured(["a", "bcd"]) == [1, 3]
