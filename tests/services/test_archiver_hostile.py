"""What must not stop the archiver: an entry of the log that is no event, and very large ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.services.archived import event, rows, steps
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.services.archiver import archiving


async def test_an_entry_that_is_no_event_is_archived_as_readers_see_it(
    store: Store, tmp_path: Path
) -> None:
    await store.execute("XADD", store.keys("log"), "*", "e", b"not JSON")
    await store.execute("XADD", store.keys("log"), "*", "one", "1", "two", "2")
    await Log(store).append([event(1)])
    async with steps(store, tmp_path) as archiver:
        await archiver.catch_up()
        found = rows(tmp_path, "SELECT name, json_valid(body) FROM events ORDER BY received, seq")
    assert found == [("log.unreadable", 1), ("log.unreadable", 1), ("order.placed", 1)]


async def test_large_events_are_archived_a_few_at_a_time(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "PAGE", 2)
    monkeypatch.setattr(archiving, "MOST_BYTES", 3_000)
    await Log(store).append([event(n, payload={"x": "y" * 1000}) for n in range(9)])
    async with steps(store, tmp_path) as archiver:
        first = await archiver.archiver.step(await archiver.archiver.open())
        assert first.total == 4
        await archiver.catch_up()
        assert rows(tmp_path, "SELECT count(*) FROM events") == [(9,)]
