"""Litter: what nobody needs is removed, and nothing but what Upshot itself named."""

from __future__ import annotations

from pathlib import Path

from upshot.events.store import Store
from upshot.services.scheduler.litter import Litter, remove


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


async def test_all_litter_that_can_be_removed_goes_at_once(store: Store, tmp_path: Path) -> None:
    """Or it would heap up where more comes in a minute than one pass takes."""
    run = "0189d1c4-7e1b-7c9f-8000-000000000000"
    items = [f"run {tmp_path / str(number) / run}" for number in range(1_300)]
    stays = tmp_path / "stays" / run
    (stays / f"{run}.json").mkdir(parents=True)  # no file, so it can't be removed as one
    key = store.keys("litter")
    await store.execute("SADD", key, *items, f"run {stays}")
    await Litter(store, 1000).sweep()
    assert {*await store.execute("SMEMBERS", key)} == {f"run {stays}".encode()}
