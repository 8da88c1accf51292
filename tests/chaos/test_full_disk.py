"""A disk that is really full: the store ends, and comes back with all it acknowledged."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from upshot.events.embedded import EmbeddedStore
from upshot.events.exceptions import StoreUnavailable

pytestmark = pytest.mark.chaos

ROUNDS = 5


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount 8 MB of memory as a disk, which takes root."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "upshot-test", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


def fill(store: EmbeddedStore, first: int) -> int:
    """Append until the server ends; return the number after the last acknowledged one."""
    number = first
    with Redis.from_url(store.url, retry=Retry(NoBackoff(), 0)) as client:
        while True:
            try:
                client.xadd("log", {"n": number, "filler": "x" * 5000})
            except RedisConnectionError:
                return number
            number += 1


def kept(store: EmbeddedStore) -> list[int]:
    with Redis.from_url(store.url) as client:
        return [int(fields[b"n"]) for _, fields in client.xrange("log")]


def test_a_full_disk_ends_the_store_and_loses_nothing(small_disk: Path) -> None:
    store = EmbeddedStore(small_disk / "data")
    written = 0
    for round_ in range(ROUNDS):
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes((ROUNDS - round_) * 1_200_000))
        store.start()
        before = written
        written = fill(store, written)
        assert written > before
        assert store.wait(30) == 1
        try:
            store.start()  # while the disk is full it may refuse, never lose
        except StoreUnavailable:
            assert not store.alive()
        else:
            store.stop()
        ballast.unlink()
        with store:
            found = kept(store)
        assert found[:written] == list(range(written))
        written = len(found)
    print(f"full disk: {ROUNDS} times full, {written} acknowledged events, none lost")
