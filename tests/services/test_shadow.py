"""A shadow decides as the real ones and is recorded; nothing is done, and nothing is set off."""

from __future__ import annotations

from typing import Any

from tests.services.engines import (
    automation,
    counter,
    engine,
    entries,
    event,
    firings,
    names,
    settled,
)
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.services.catalog import Catalog


def shadow(name: str, **trigger: Any) -> dict[str, Any]:
    return {**automation(name, **trigger), "shadow": True}


async def apply(store: Store, *automations: dict[str, Any]) -> None:
    await Catalog(store).apply({"automation": {each["name"]: each for each in automations}})


async def test_a_shadow_is_recorded_and_acts_on_nothing(store: Store) -> None:
    await apply(store, shadow("s"), automation("real"))
    await Log(store).append([event(identity="e1")])
    async with engine(store):
        await settled(store)
    recorded = {each["automation"]: each for each in await firings(store)}
    assert {name: each["shadow"] for name, each in recorded.items()} == {"s": True, "real": False}
    assert recorded["s"]["events"] == ["e1"]
    assert recorded["s"]["actions"] == ["notify"]
    assert [each["automation"]["name"] for each in await entries(store)] == ["real"]
    assert await counter(store, "firings:shadow") == 1
    assert await counter(store, "firings:fired") == 1


async def test_what_a_shadow_decides_sets_off_no_other(store: Store) -> None:
    await apply(store, shadow("s"), automation("on-firings", expect=["automation.fired"]))
    await Log(store).append([event(identity="e1")])
    async with engine(store):
        await settled(store)
    assert [each["automation"] for each in await firings(store)] == ["s"]
    told = await names(store)
    assert "automation.shadow-fired" in told
    assert not {"automation.fired", "action.triggered"} & set(told)


async def test_a_shadow_fires_once_however_often_the_engine_starts(store: Store) -> None:
    await apply(store, shadow("s", threshold=2, within="1h"))
    for number in range(4):
        await Log(store).append([event(identity=f"e{number}")])
        async with engine(store):
            await settled(store)
    assert [each["events"] for each in await firings(store)] == [["e0", "e1"]]
    assert await counter(store, "firings:shadow") == 1
