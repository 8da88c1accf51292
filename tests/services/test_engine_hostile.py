"""What no sender may do to the engine: stop it with an event that its own events can't repeat."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.engines import automation, engine, event, firings, names, settled
from upshot.automations.triggers.buckets import LONGEST
from upshot.events.event import MAX_DEPTH, MAX_LABELS, MAX_PASSED
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.services.definitions.catalog import Catalog
from upshot.services.engine.memory import BREATH, recall

ALL_LABELS = {f"label{n}": "v" for n in range(MAX_LABELS - 1)}
LARGEST_LABELS = {f"label{n}": "\u4e00" * 1024 for n in range(MAX_LABELS - 1)}
HOSTILE: dict[str, dict[str, Any]] = {
    "as many labels as there may be": {"resource": {"id": "r", **ALL_LABELS}},
    "the largest labels": {"resource": {"id": "r", **LARGEST_LABELS}},
    "a huge value to count by": {"payload": {"key": "x" * 250_000}},
    "a huge list to count by": {"payload": {"key": ["\u00e9"] * 40_000}},
    "the deepest way": {"causation": {"depth": MAX_DEPTH}},
    "the longest way": {
        "causation": {"automations": {f"{n:064}": MAX_DEPTH for n in range(MAX_PASSED)}}
    },
}


@pytest.mark.parametrize("fields", HOSTILE.values(), ids=HOSTILE.keys())
async def test_no_event_stops_the_engine(store: Store, fields: dict[str, Any]) -> None:
    watching = automation("watching", for_each=["payload.key"])
    await Catalog(store).apply({"automation": {"watching": watching}})
    await Log(store).append([event(**fields), event(payload={"key": "next"})])
    async with engine(store):
        await settled(store)
    told = await names(store)
    stopped = told.count("automation.suppressed")  # a way that goes on like this goes no further
    assert len(await firings(store)) == told.count("automation.fired") == 2 - stopped
    assert stopped == (fields.get("causation", {}).get("depth") == MAX_DEPTH)


async def test_an_absence_after_a_hostile_opener_is_told(store: Store) -> None:
    awaiting = automation(
        "awaiting", posture="Proactive", expect=["end"], after=["tick"], within="1s"
    )
    await Catalog(store).apply({"automation": {"awaiting": awaiting}})
    await Log(store).append([event(resource={"id": "r", **LARGEST_LABELS})])
    async with engine(store):
        await settled(store)
        while not await firings(store):
            await Log(store).wait(await Log(store).end(), 100)
        await settled(store)
    assert "automation.fired" in await names(store)


async def test_values_too_long_for_a_name_are_told_apart(store: Store) -> None:
    counting = automation("counting", for_each=["payload.key"], within="1h", threshold=2)
    await Catalog(store).apply({"automation": {"counting": counting}})
    long = "x" * LONGEST
    same, other = {"key": f"{long}a"}, {"key": f"{long}b"}
    await Log(store).append([event(payload=each) for each in (same, other, same)])
    async with engine(store):
        await settled(store)
    assert len(await firings(store)) == 1


@pytest.mark.parametrize("body", [b"not JSON", b"[]", b'{"event":"tick"}', b""])
async def test_an_entry_that_is_no_event_does_not_stop_the_engine(
    store: Store, body: bytes
) -> None:
    await Catalog(store).apply({"automation": {"watching": automation("watching")}})
    await store.execute("XADD", store.keys("log"), "*", "e", body)
    await store.execute("XADD", store.keys("log"), "*", "one", "1", "two", "2")
    await Log(store).append([event()])
    async with engine(store):
        await settled(store)
    assert len(await firings(store)) == 1
    assert (await names(store)).count("log.unreadable") == 2


async def test_a_long_recall_breathes_and_loses_nothing(store: Store) -> None:
    docs = {f"a{n}": automation(f"a{n}", expect=["never"]) for n in range(2 * BREATH)}
    last = automation("last", within="1h", threshold=2, for_each=["id"])
    await Catalog(store).apply({"automation": {**docs, "last": last}})
    await Log(store).append([event()])
    async with engine(store):
        await settled(store)
    breaths = 0

    async def breathe() -> None:
        nonlocal breaths
        breaths += 1

    memory = await recall(store, [], breathe)
    assert len(memory.evaluator) == len(docs) + 1
    assert len(memory.evaluator.windows) == 1
    assert breaths > 2
