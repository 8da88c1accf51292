"""A whole service whose disk is full for a while, its own log on the same disk."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import eventually

from .load import Load
from .ordeal import rest
from .verdict import judge
from .whole import Whole

pytestmark = pytest.mark.chaos

ROUNDS = 3


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount 16 MB of memory as a disk, which takes root."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "upshot-test", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def fill(ballast: Path) -> None:
    """Leave no room at all."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(65536)):
                pass
        except OSError:
            return


def end_by_filling(whole: Whole, ballast: Path) -> None:
    """Fill the disk until the store has ended for it."""
    before = whole.part("store")
    fill(ballast)
    eventually(lambda: whole.part("store") != before, "the store ended")


def test_a_service_goes_on_where_it_was_once_there_is_room_again(
    tmp_path: Path, disk: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "up.log").symlink_to(disk / "up.log")
    with Whole(folder, data_dir=disk / "data") as whole:
        whole.apply()
        load = Load(whole.port, 4)
        load.start()
        for _ in range(ROUNDS):
            time.sleep(2)
            end_by_filling(whole, disk / "ballast")
            time.sleep(2)
            (disk / "ballast").unlink()
            whole.store().close()
        sent = load.end()
        store = whole.store()
        seen = rest(store)
        store.close()
        verdict = judge(seen, sent, whole.receiver.keys())
    print(f"full disk: {ROUNDS} times full, {verdict.counts}")
    assert verdict.problems == []
