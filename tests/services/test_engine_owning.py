"""Who owns a shard, who stands by, and how long an owner waits for the log."""

from __future__ import annotations

import asyncio

import pytest

from tests.services.engines import (
    apply,
    automation,
    counter,
    cursor,
    engine,
    event,
    firings,
    owned,
    settled,
)
from tests.waiting import until
from upshot.events.log import START, Log
from upshot.events.store import Store
from upshot.services.engine.reading import PATIENT_MS, Reader


@pytest.fixture
def log(store: Store) -> Log:
    return Log(store)


async def test_it_goes_on_when_somebody_moves_its_cursor(store: Store, log: Log) -> None:
    await apply(store, automation("a"))
    async with engine(store):
        await settled(store)
        await log.append([event(identity="skipped")])
        await settled(store)
        await store.execute("HSET", store.keys("engine"), "cursor", "0-0")
        await log.append([event(identity="next")])
        await settled(store)
    assert [each["cause"] for each in await firings(store)] == ["skipped", "next"]


async def test_a_standby_waits_and_takes_over_when_the_owner_gives_up(
    store: Store, log: Log
) -> None:
    await apply(store, automation("a"))
    second = Store(store.url)
    async with engine(store, lease_ms=60_000):
        await settled(store)
        async with engine(second, lease_ms=300):
            await asyncio.sleep(0.2)
            assert await store.execute("HGET", store.keys("lease", "engine"), "epoch") == b"1"
            await store.execute("HSET", store.keys("lease", "engine"), "until", 1)

            async def taken() -> bool:
                epoch = await store.execute("HGET", store.keys("lease", "engine"), "epoch")
                return bool(epoch == b"2")

            await until(taken)
            await log.append([event(identity="e1")])
            await settled(store)
    await second.close()
    assert [each["cause"] for each in await firings(store)] == ["e1"]
    assert await counter(store, "leases_lost") == 1


async def test_an_owner_that_steps_down_leaves_the_shard_free(store: Store) -> None:
    async with engine(store, lease_ms=3_600_000):
        await until(lambda: owned(store))
    assert await store.execute("HGET", store.keys("lease", "engine"), "until") == b"0"


async def test_an_owner_with_nothing_to_do_keeps_its_lease(store: Store) -> None:
    async with engine(store, lease_ms=600):
        await until(lambda: owned(store))
        await asyncio.sleep(1.3)
        assert await store.execute("HGET", store.keys("lease", "engine"), "epoch") == b"1"
        assert not await store.call("take_lease", "engine", "somebody else", 1000)
    assert await cursor(store) == "0-0"


async def test_a_short_wait_wakes_the_store_when_it_is_over(store: Store) -> None:
    """By itself a store that nobody talks to lets it go on for up to a tenth of a second more."""
    reader = Reader(store)
    await store.execute("CONFIG", "RESETSTAT")
    for _ in range(10):  # one of them may be over by chance before it has to wake the store
        await reader.read(START, wait_ms=3)
    assert b"cmdstat_ping" in await store.execute("INFO", "commandstats")


async def test_a_wait_for_nothing_in_particular_leaves_the_store_alone(store: Store) -> None:
    await store.execute("CONFIG", "RESETSTAT")
    await Reader(store).read(START, wait_ms=PATIENT_MS)
    assert b"cmdstat_ping" not in await store.execute("INFO", "commandstats")
