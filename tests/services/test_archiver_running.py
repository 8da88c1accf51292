"""The archiver as it runs: each event once, whatever dies, and nothing lost while it is held up."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.services.api_served import served
from tests.services.archived import (
    archived_positions,
    event,
    logged_positions,
    running,
    until_archived,
)
from tests.services.running import service
from tests.waiting import until
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.services.history import database


async def test_two_archivers_at_once_write_each_event_once(store: Store, tmp_path: Path) -> None:
    async with running(store, tmp_path), running(store, tmp_path):
        for first in range(0, 2000, 100):
            await Log(store).append(event(number) for number in range(first, first + 100))
            await asyncio.sleep(0.01)
        await until_archived(store)
    assert archived_positions(tmp_path) == await logged_positions(store)


async def test_killed_at_random_moments_it_writes_each_event_once_and_in_order(
    store: Store, store_url: str, tmp_path: Path
) -> None:
    dice, log, appended = random.Random(), Log(store), 0

    async def load() -> None:
        nonlocal appended
        while True:
            await log.append(event(each) for each in range(appended, appended + 50))
            appended += 50
            await asyncio.sleep(0.01)

    for _ in range(3):
        with service("archiver", store_url=store_url, data_dir=tmp_path) as process:
            await until(lambda: registered(store), "it has registered")
            loading = asyncio.create_task(load())
            await asyncio.sleep(dice.uniform(0.0, 0.6))
            process.kill()
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
        await store.execute("HDEL", store.keys("counters"), "read:archiver")
    async with running(store, tmp_path):
        await until_archived(store)
    logged = await logged_positions(store)
    assert archived_positions(tmp_path) == logged
    counted = await store.execute("HGET", store.keys("counters"), "read:archiver")
    assert int(counted) == len(logged) > 0


async def registered(store: Store) -> bool:
    return bool(await store.execute("HEXISTS", store.keys("counters"), "read:archiver"))


async def test_a_locked_database_is_waited_for_and_the_lag_says_so(
    store: Store, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.05)
    async with running(store, tmp_path), served(store_url, data_dir=tmp_path) as api:
        await Log(store).append([event(1)])
        await until_archived(store)
        where = tmp_path / "history.db"
        with closing(sqlite3.connect(where, isolation_level=None, timeout=0)) as other:
            await until(lambda: locked(other), "it is locked")
            await Log(store).append(event(number) for number in range(2, 50))

            async def behind() -> Any:
                part = (await api.get("/readyz", 503))["parts"]["archiver"]
                return part["lag"] == 48 and part["lag_ms"] > 0

            await until(behind, "it is behind")
            other.execute("ROLLBACK")
        await until_archived(store)
        part = (await api.get("/readyz", 503))["parts"]["archiver"]
        assert part == {"ready": True, "lag": 0, "lag_ms": 0}
    assert archived_positions(tmp_path) == await logged_positions(store)


async def locked(connection: sqlite3.Connection) -> bool:
    try:  # without waiting for it: the archiver runs in this very thread
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    return True


async def test_a_full_disk_is_waited_out_and_nothing_is_trimmed_meanwhile(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = (*database._WRITING, "PRAGMA max_page_count=50")
    monkeypatch.setattr(database, "_WRITING", full)
    log = Log(store)
    with capture_logs() as told:
        async with running(store, tmp_path):
            await until(lambda: registered(store), "it has registered")
            await log.append(event(n, payload={"text": "x" * 2000}) for n in range(500))
            await log.register("engine", await log.end())

            async def is_full() -> bool:
                return any("disk is full" in each.get("reason", "") for each in told)

            await until(is_full, "it has met the full disk")
            assert await log.trim(0) == 0
    assert archived_positions(tmp_path) == []
    monkeypatch.undo()
    async with running(store, tmp_path):
        await until_archived(store)
    assert archived_positions(tmp_path) == await logged_positions(store)


async def test_the_retention_is_kept_while_it_runs(store: Store, tmp_path: Path) -> None:
    await Log(store).append(event(number) for number in range(10))
    async with running(store, tmp_path, retention_ms=-10_000):
        await until_archived(store)

        async def gone() -> bool:
            return not archived_positions(tmp_path)

        await until(gone, "everything is forgotten")
