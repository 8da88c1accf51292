"""Assets in automations, from the flow to the firing: stale ones, and checks that failed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.services.engines import automation, engine, firings, names, settled
from tests.waiting import until
from upshot import asset_check, flow, materialize
from upshot.events.store import Store
from upshot.services.definitions.catalog import Catalog

STALE = {
    "name": "stale",
    "trigger": {"type": "freshness", "asset": "warehouse/orders", "within": "2s"},
    "actions": [{"notify": {"to": "me", "title": "stale"}}],
}
RULES = [
    STALE,
    automation("bad", expect=["asset.check-failed"], match={"id": "warehouse/*"}),
    automation("broken", expect=["asset.materialization-failed"]),
]


@materialize("warehouse/orders")
def orders(rows: int) -> int:
    if rows < 0:
        raise ValueError("no orders")
    return rows


@asset_check(asset=orders, blocking=True)
def enough(rows: int) -> bool:
    return rows > 2


@flow
def load(rows: int) -> None:
    orders(rows, return_state=True)


async def fired(store: Store, name: str, count: int) -> list[dict[str, Any]]:
    """Wait until an automation has fired so often; return its firings."""

    async def found() -> list[dict[str, Any]]:
        return [each for each in await firings(store) if each["automation"] == name]

    async def enough_of_them() -> bool:
        return len(await found()) >= count

    await until(enough_of_them)
    return await found()


async def test_a_stale_asset_fires_once_until_it_is_materialised_again(
    store: Store, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSHOT_REDIS_URL", store_url)
    monkeypatch.setenv("UPSHOT_DATA_DIR", str(tmp_path))
    async with engine(store):
        await Catalog(store).apply({"automation": {rule["name"]: rule for rule in RULES}})
        await asyncio.to_thread(load, 5)
        assert len(await fired(store, "stale", 1)) == 1
        await asyncio.to_thread(load, -1)  # a failure makes nothing fresh
        (broken,) = await fired(store, "broken", 1)
        await asyncio.to_thread(load, 1)
        (bad,) = await fired(store, "bad", 1)
        again = await fired(store, "stale", 2)
        await settled(store)
    assert bad["bucket"] == broken["bucket"]
    assert [each["reason"] for each in again] == ["stale", "stale"]
    assert (await names(store)).count("asset.materialized") == 2
