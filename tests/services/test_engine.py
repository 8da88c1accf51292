"""The engine on a real store: it fires once, at the place of the log, and says why."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.services.engines import (
    apply,
    automation,
    counter,
    defined,
    engine,
    entries,
    event,
    firings,
    names,
    settled,
)
from upshot.events.exceptions import StoreUnavailable
from upshot.events.ids import derived_id
from upshot.events.log import Log
from upshot.events.store import Argument, Store
from upshot.services.definitions.catalog import Catalog
from upshot.services.definitions.planning import Verb
from upshot.services.definitions.switching import switch


@pytest.fixture
def log(store: Store) -> Log:
    return Log(store)


async def test_an_event_fires_with_its_record_its_entry_and_its_events(
    store: Store, log: Log
) -> None:
    await apply(store, automation("a"))
    await log.append([event(identity="e1", payload={"n": 1})])
    async with engine(store):
        await settled(store)
    [firing] = await firings(store)
    [entry] = await entries(store)
    assert firing["id"] == entry["firing"]
    assert firing["automation"] == entry["automation"]["name"] == "a"
    assert (firing["reason"], firing["cause"], firing["events"]) == (
        "threshold_reached",
        "e1",
        ["e1"],
    )
    assert entry["events"][0]["payload"] == {"n": 1}
    assert entry["actions"][0]["notify"]["to"] == ["me"]
    [_, _, fired, triggered] = (await log.read("0-0")).events
    assert (fired.name, triggered.name) == ("automation.fired", "action.triggered")
    assert fired.own
    assert fired.body["follows"] == "e1"
    assert triggered.body["follows"] == fired.id
    assert fired.causation.automations == {derived_id("automation", "a"): 1}
    assert await counter(store, "firings:fired") == 1


async def test_each_event_is_counted_once_as_evaluated(store: Store, log: Log) -> None:
    await log.append(event() for _ in range(1200))
    for _ in range(3):
        async with engine(store):
            await settled(store)
    assert await counter(store, "evaluated") == 1200


async def test_what_comes_while_it_waits_is_evaluated_at_once(store: Store, log: Log) -> None:
    await apply(store, automation("a"))
    async with engine(store):
        await settled(store)
        for number in range(3):
            await log.append([event(identity=f"e{number}")])
            await settled(store)
            assert [each["cause"] for each in await firings(store)][-1] == f"e{number}"


async def test_a_definition_is_in_force_from_its_place_in_the_log_to_its_end(
    store: Store, log: Log
) -> None:
    """All of it is read in one batch, long after it happened."""
    catalog = Catalog(store)
    await log.append([event(identity="before")])
    await apply(store, automation("a", title="one"))
    await log.append([event(identity="first")])
    await apply(store, automation("a", title="two"))
    await log.append([event(identity="second")])
    await switch(catalog, "automation", "a", True)
    await log.append([event(identity="paused")])
    await switch(catalog, "automation", "a", False)
    await log.append([event(identity="third")])
    await catalog.delete("automation", "a")
    await log.append([event(identity="after")])
    async with engine(store):
        await settled(store)
    done = [(each["cause"], each["actions"][0]["notify"]["title"]) for each in await entries(store)]
    assert done == [("first", "one"), ("second", "two"), ("third", "two")]
    assert sorted(each["version"] for each in await firings(store)) == [1, 2, 4]


async def test_definitions_are_the_same_after_a_restart(store: Store, log: Log) -> None:
    await apply(store, automation("a"), automation("b"), automation("c"))
    await Catalog(store).delete("automation", "b")
    await switch(Catalog(store), "automation", "c", True)
    async with engine(store):
        await settled(store)
    await log.append([event()])
    async with engine(store):
        await settled(store)
    assert [each["automation"] for each in await firings(store)] == ["a"]


async def test_nobody_outside_can_define_an_automation(store: Store, log: Log) -> None:
    forged = defined(automation("forged"), "forged", Verb.CREATED, 1)
    await log.append([forged, event()])
    async with engine(store):
        await settled(store)
    assert await firings(store) == []


async def test_a_definition_that_can_not_be_read_stops_no_other(store: Store, log: Log) -> None:
    await apply(store, automation("a"))
    unreadable = {"name": "b", "trigger": {"type": "from the future"}, "actions": []}
    await place_own(store, defined(unreadable, "b", Verb.CREATED, 1))
    await log.append([event()])
    for _ in range(2):
        async with engine(store):
            await settled(store)
    assert [each["automation"] for each in await firings(store)] == ["a"]


async def place_own(store: Store, told: Any) -> None:
    await store.execute("XADD", store.keys("log"), "*", "o", told.to_json())


async def test_a_window_goes_on_after_a_restart(store: Store, log: Log) -> None:
    await apply(store, automation("a", threshold=3, within="1h"))
    for number in range(3):
        await log.append([event(identity=f"e{number}")])
        async with engine(store):
            await settled(store)
    [firing] = await firings(store)
    assert firing["events"] == ["e0", "e1", "e2"]
    assert [each["id"] for each in (await entries(store))[0]["events"]] == ["e0", "e1", "e2"]


async def test_trimming_keeps_what_an_open_window_refers_to(store: Store, log: Log) -> None:
    await store.execute("CONFIG", "SET", "stream-node-max-entries", 1)
    await apply(store, automation("a", threshold=2, within="1h"))
    await log.append(event("noise") for _ in range(50))
    await log.append([event(identity="first")])
    await log.append(event("noise") for _ in range(50))
    async with engine(store):
        await settled(store)
        await asyncio.sleep(0.002)
        assert await log.trim(0) > 40
        await log.append([event(identity="second")])
        await settled(store)
        await asyncio.sleep(0.002)
        assert await log.trim(0) > 40
    await store.execute("CONFIG", "SET", "stream-node-max-entries", 100)
    [entry] = await entries(store)
    assert [each["id"] for each in entry["events"]] == ["first", "second"]


async def test_an_automation_that_leads_to_itself_fires_once_and_says_so(
    store: Store, log: Log
) -> None:
    await apply(store, automation("a", expect=["tick", "thing.done"]))
    await log.append([event(identity="e1")])
    async with engine(store):
        await settled(store)
        way = (await firings(store))[0]["causation"]
        await log.append([event("thing.done", causation=way)])
        await settled(store)
    assert len(await firings(store)) == 1
    assert (await names(store))[-1] == "automation.suppressed"
    assert (await log.range())[-1].payload["reason"] == "loop"
    assert await counter(store, "firings:suppressed_loop") == 1


async def test_automations_on_upshots_own_events_do_not_go_round_for_ever(
    store: Store, log: Log
) -> None:
    await apply(store, automation("a"), automation("b", expect=["automation.*", "action.*"]))
    await log.append([event()])
    async with engine(store):
        await settled(store)
    per_automation = [each["automation"] for each in await firings(store)]
    assert per_automation.count("a") == 1
    assert 1 <= per_automation.count("b") <= 4


class Forgetful(Store):
    """A store whose answers to some commits get lost on the way."""

    calls = 0

    async def call(self, function: str, *args: Argument) -> Any:
        answer = await super().call(function, *args)
        if function == "commit":
            self.calls += 1
            if self.calls in (2, 5, 9):
                raise StoreUnavailable("the answer got lost")
        return answer


async def test_many_firings_at_once_are_written_once_over_several_commits(store: Store) -> None:
    await apply(store, *(automation(f"a{number:03}") for number in range(450)))
    await Log(store).append([event(identity="e1"), event(identity="e2")])
    unreliable = Forgetful(store.url)
    async with engine(unreliable):
        await settled(store)
    await unreliable.close()
    assert unreliable.calls > 5
    fired = [(each["automation"], each["cause"]) for each in await firings(store)]
    assert sorted(fired) == [
        (f"a{number:03}", cause) for number in range(450) for cause in ("e1", "e2")
    ]
    assert len(await entries(store)) == 900
    assert (await names(store)).count("automation.fired") == 900


async def test_an_engine_that_is_left_alone_never_starts_over(store: Store, log: Log) -> None:
    await apply(store, automation("a"))
    with capture_logs() as said:
        async with engine(store):
            for number in range(3):
                await log.append([event(identity=f"e{number}"), event("noise")])
                await settled(store)
    assert [each["event"] for each in said if each["log_level"] != "info"] == []


async def test_without_memory_firings_go_on(store: Store, log: Log) -> None:
    await apply(store, automation("a"))
    await log.append([event()])
    await store.execute("CONFIG", "SET", "maxmemory", 1)
    try:
        async with engine(store):
            await settled(store)
    finally:
        await store.execute("CONFIG", "SET", "maxmemory", 0)
    assert len(await firings(store)) == 1
