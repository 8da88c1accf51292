"""Litter: what nobody needs is removed, and nothing but what Upshot itself named."""

from __future__ import annotations

from pathlib import Path

from upshot.services.scheduler.litter import remove


def test_litter_removes_nothing_but_what_upshot_named(tmp_path: Path) -> None:
    run = "0189d1c4-7e1b-7c9f-8000-000000000000"
    (tmp_path / run).mkdir()
    mine, other = tmp_path / run / f"{run}.json", tmp_path / run / "notes.json"
    for path in (mine, other):
        path.write_text("1")
    for item in (f"file {other}", f"run {tmp_path}", f"dir {tmp_path / run}", "file", ""):
        assert remove(item)
        assert other.exists()
    assert remove(f"run {tmp_path / run}")
    assert (mine.exists(), other.exists()) == (False, True)
    assert remove(f"run s9://there/{run}")
    assert remove(f"run {tmp_path / 'gone' / run}")
