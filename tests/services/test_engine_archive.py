"""What an open window refers to may leave the log: the engine finds it in the archive."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from tests.services.archived import Steps, event, steps
from tests.services.engines import fired
from tests.waiting import until
from upshot.automations import Automation
from upshot.events.log import Log, order
from upshot.events.store import Store
from upshot.services.definitions.catalog import Catalog
from upshot.services.engine import Engine

THREE = {
    "name": "three",
    "trigger": {"type": "event", "expect": ["order.placed"], "threshold": 3, "within": "1h"},
    "actions": [{"emit-event": {"event": "order.many", "resource": {"id": "x"}}}],
}


async def play(shop: Steps) -> list[str]:
    """Let two events leave the log before the third comes; return the firing's events."""
    store, log = shop.store, Log(shop.store)
    definition = Automation.model_validate(THREE).model_dump(mode="json")
    await Catalog(store).apply({"automation": {"three": definition}})
    await shop.catch_up()
    engine = asyncio.create_task(Engine(store, lease_ms=6000, archive=shop.archive).run())
    try:
        await log.append([event(1), event(2)])
        end = await log.end()

        async def evaluated() -> bool:
            at = await store.execute("HGET", store.keys("cursors"), "engine")
            return at is not None and order(at.decode()) >= order(end)

        await until(evaluated, "the engine needs the log no more")
        await shop.catch_up()
        await store.execute("XTRIM", store.keys("log"), "MAXLEN", 0)
        await log.append([event(3)])
        (entry,) = await until(lambda: fired(store), "it fired")
    finally:
        engine.cancel()
        with suppress(asyncio.CancelledError):
            await engine
    return [each["id"] for each in entry["events"]]


async def test_a_firing_has_its_events_though_the_log_was_trimmed(
    store: Store, tmp_path: Path
) -> None:
    async with steps(store, tmp_path) as shop:
        assert await play(shop) == ["e1", "e2", "e3"]


async def test_a_firing_does_not_wait_for_a_database_that_is_away(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with steps(store, tmp_path) as shop:
        monkeypatch.setattr(shop.archive, "_url", "sqlite+aiosqlite:////nonexistent/history.db")
        assert await play(shop) == ["e3"]
