"""Engines in processes of their own: killed, stopped, outlived; what they did is done once."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

from tests.services.engines import (
    automation,
    counter,
    engine,
    engine_process,
    entries,
    event,
    firings,
    names,
    owned,
    settled,
)
from tests.waiting import until
from upshot.events.embedded import EmbeddedStore
from upshot.events.exceptions import StoreUnavailable
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.services.definitions.catalog import Catalog

EVENTS = 300


async def apply(store: Store) -> None:
    counted = automation("pairs", threshold=2, within="1h", for_each=["pair"])
    each = automation("each")
    await Catalog(store).apply({"automation": {"each": each, "pairs": counted}})


async def send(log: Log, first: int, last: int) -> None:
    for number in range(first, last):
        resource = {"id": f"thing.{number}", "pair": f"{number // 2}"}
        await log.append([event(identity=f"e{number}", resource=resource)])


async def check_fired_once(store: Store, count: int) -> None:
    """Each event fired once, each pair of events once, and each of it was told once."""
    done = await firings(store)
    causes = [each["cause"] for each in done if each["automation"] == "each"]
    assert sorted(causes) == sorted(f"e{number}" for number in range(count))
    pairs = [tuple(each["events"]) for each in done if each["automation"] == "pairs"]
    expected = [(f"e{number}", f"e{number + 1}") for number in range(0, count, 2)]
    assert sorted(pairs) == sorted(expected)
    assert sorted(each["firing"] for each in await entries(store)) == sorted(
        each["id"] for each in done
    )
    told = await names(store)
    assert told.count("automation.fired") == told.count("action.triggered") == len(done)
    assert await counter(store, "firings:fired") == len(done)


async def test_engines_that_are_killed_at_any_moment_fire_once(store: Store) -> None:
    chance = random.Random(4)
    await apply(store)
    sending = asyncio.create_task(send(Log(store), 0, EVENTS))
    for _ in range(6):
        with engine_process(store.url) as running:
            await until(lambda: owned(store))
            await asyncio.sleep(chance.random() * 0.15)
            running.kill()
    await sending
    with engine_process(store.url):
        await settled(store)
    await check_fired_once(store, EVENTS)


async def test_engines_that_come_and_go_in_one_process_fire_once(store: Store) -> None:
    chance = random.Random(5)
    await apply(store)
    sending = asyncio.create_task(send(Log(store), 0, EVENTS))
    while not sending.done():
        async with engine(store):
            await asyncio.sleep(chance.random() * 0.03)
    async with engine(store):
        await settled(store)
    await check_fired_once(store, EVENTS)


async def test_a_standby_takes_over_at_once_from_an_owner_that_died(store: Store) -> None:
    await apply(store)
    with engine_process(store.url, lease_ms=3_600_000) as owner:
        await until(lambda: owned(store))
        owner.kill()
        owner.wait()
    async with engine(store):
        await send(Log(store), 0, 2)
        await settled(store)
    await check_fired_once(store, 2)


async def test_a_stopped_owner_cannot_commit_what_it_decides_when_it_goes_on(store: Store) -> None:
    await apply(store)
    log = Log(store)
    with engine_process(store.url) as stopped:
        await settled(store)
        stopped.send_signal(signal.SIGSTOP)
        await send(log, 0, 10)
        async with engine(store):
            await settled(store)
            await check_fired_once(store, 10)
            stopped.send_signal(signal.SIGCONT)
            await send(log, 10, 20)
            await settled(store)
        assert await counter(store, "leases_lost") >= 1
        assert stopped.poll() is None
        await send(log, 20, 30)
        await settled(store)
    await check_fired_once(store, 30)


async def test_an_engine_goes_on_when_the_store_was_killed(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path) as server:
        store = Store(server.url)
        await store.load_functions()
        await apply(store)
        log = Log(store)
        async with engine(store):
            for turn in range(3):
                await send(log, 10 * turn, 10 * turn + 10)
                server._kill()
                server.start()
                await until(lambda: answers(store))
            await settled(store)
        await check_fired_once(store, 30)
        await store.close()


async def answers(store: Store) -> bool:
    try:
        await store.execute("PING")
    except StoreUnavailable:
        return False
    return True
