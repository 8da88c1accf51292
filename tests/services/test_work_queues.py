"""Queues of a work pool: the order in which workers take runs, limits, pauses; nothing is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import until
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.runs.registry import Runs
from upshot.services.definitions.catalog import Catalog
from upshot.services.definitions.switching import WORK_POOL, switch, switch_queue
from upshot.services.scheduler.sweep import Sweep
from upshot.services.work_pools import WorkPools

from .running import scheduler, until_state, worker
from .taking import BULK, URGENT, Taking, define, wait

FLOWS = """
import time
from pathlib import Path

from upshot import flow


@flow
def note(into: str, name: str, wait: bool = False) -> None:
    with open(into, "a") as file:
        file.write(name + "\\n")
    while wait and not Path(into + ".go").exists():
        time.sleep(0.02)
"""


@pytest.fixture
def entrypoint(tmp_path: Path) -> str:
    (tmp_path / "noting.py").write_text(FLOWS)
    return f"{tmp_path / 'noting.py'}:note"


async def test_the_lowest_priority_goes_first_then_who_came_first(
    store: Store, taking: Taking
) -> None:
    await define(store, URGENT, BULK)
    bulk = await wait(store, "bulk")
    plain, unknown = await wait(store), await wait(store, "of-nobody")
    late, early = await wait(store, "urgent"), await wait(store, "urgent", -5)
    second = await wait(store)
    expected = [early, late, plain, unknown, second, bulk]
    assert await taking.all() == [run.id for run in expected]


async def test_a_priority_that_changes_counts_for_what_waits_already(
    store: Store, taking: Taking
) -> None:
    bulk, plain = await wait(store, "bulk"), await wait(store)
    await define(store, {**BULK, "priority": 500})
    assert await taking.all() == [plain.id, bulk.id]


async def test_a_queues_limit_holds_and_others_are_let_past(store: Store, taking: Taking) -> None:
    await define(store, {**URGENT, "limit": 1})
    first, second = await wait(store, "urgent"), await wait(store, "urgent")
    plain = await wait(store)
    assert await taking.all() == [first.id, plain.id]
    await taking.end(plain.id)
    assert await taking.next() is None
    await taking.end(first.id)
    assert await taking.all() == [second.id]


async def test_a_limit_that_is_raised_lets_more_begin(store: Store, taking: Taking) -> None:
    await define(store, {**BULK, "limit": 1})
    runs = [await wait(store, "bulk") for _ in range(4)]
    assert await taking.all() == [runs[0].id]
    await define(store, {**BULK, "limit": 3})
    assert await taking.all() == [runs[1].id, runs[2].id]
    await define(store)
    assert await taking.all() == [runs[3].id]


async def test_a_paused_queue_waits_and_the_others_do_not(store: Store, taking: Taking) -> None:
    await define(store, {**URGENT, "paused": True})
    held, plain = await wait(store, "urgent"), await wait(store)
    assert await taking.all() == [plain.id]
    await define(store, URGENT)
    assert await taking.all() == [held.id]


async def test_what_is_said_of_a_queue_stays_whatever_its_definition_says(
    store: Store, taking: Taking
) -> None:
    async def pause(paused: bool) -> bool:
        return await switch_queue(Catalog(store), "default", "urgent", paused)

    held = await wait(store, "urgent")
    assert [await pause(True), await pause(True)] == [True, False]
    await define(store, {**URGENT, "limit": 5})
    assert await taking.all() == []
    assert await pause(False)
    assert await taking.all() == [held.id]
    await define(store, {**URGENT, "paused": True})
    other = await wait(store, "urgent")
    assert await taking.all() == [other.id]
    told = [event.body for event in await Log(store).range() if event.name.startswith("work-queue")]
    assert [event["event"] for event in told] == ["work-queue.paused", "work-queue.resumed"]
    assert told[0]["resource"]["name"] == "default/urgent"
    assert [each["name"] for each in told[0]["related"]] == ["default"]


async def test_a_queue_whose_definition_pauses_it_is_resumed_by_hand(
    store: Store, taking: Taking
) -> None:
    await define(store, {**URGENT, "paused": True})
    held = await wait(store, "urgent")
    assert await taking.all() == []
    assert await switch_queue(Catalog(store), "default", "urgent", False)
    assert await taking.all() == [held.id]
    (pool,) = await WorkPools(store, Catalog(store)).all()
    assert [queue["paused"] for queue in pool["queues"]] == [False, False]


async def test_a_paused_pool_lets_none_of_its_queues_begin_anything(
    store: Store, taking: Taking
) -> None:
    await switch(Catalog(store), WORK_POOL, "default", True)
    runs = [await wait(store), await wait(store, "urgent")]
    assert await taking.all() == []
    await switch(Catalog(store), WORK_POOL, "default", False)
    assert await taking.all() == [run.id for run in runs]


async def test_what_is_cancelled_while_it_waits_takes_nobodys_place(
    store: Store, taking: Taking
) -> None:
    await define(store, {**URGENT, "limit": 1})
    gone, kept = await wait(store, "urgent"), await wait(store, "urgent")
    await Runs(store).cancel(gone.id)
    assert await taking.all() == [kept.id]


async def test_what_a_dead_worker_had_chosen_goes_to_another_one_with_its_slot(
    store: Store, taking: Taking
) -> None:
    await define(store, {**URGENT, "limit": 1})
    chosen, other = await wait(store, "urgent"), await wait(store, "urgent")
    entry = await taking.read("dead")
    assert entry is not None
    picked = await store.call("pick", "default", entry.entry, entry.run_id)
    assert picked[0].decode() == chosen.id
    again = await store.call("pick", "default", entry.entry, entry.run_id)
    assert again[0] == picked[0]
    assert await taking.next() is None
    await Sweep(store, idle_ms=0).run()
    found = await taking.all()
    assert len(found) == 1
    await taking.end(found[0])
    assert {*found, *await taking.all()} == {chosen.id, other.id}


async def test_an_entry_that_nobody_chose_for_is_called_again(store: Store, taking: Taking) -> None:
    first, second = await wait(store), await wait(store)
    await taking.read("dead")
    assert await taking.all() == [first.id]
    await Sweep(store, idle_ms=0).run()
    assert await taking.all() == [second.id]


async def test_an_entry_from_before_there_were_queues_is_for_its_run(
    store: Store, taking: Taking
) -> None:
    run = await wait(store)
    await store.execute("ZREM", store.keys("ready", "default/default"), run.id)
    await store.execute("HDEL", store.keys("run", run.id), "place", "queue", "priority")
    assert await taking.all() == [run.id]


async def test_one_from_before_there_were_queues_waits_where_its_pool_is_paused(
    store: Store, taking: Taking
) -> None:
    await switch(Catalog(store), WORK_POOL, "default", True)
    run = await wait(store)
    await store.execute("ZREM", store.keys("ready", "default/default"), run.id)
    await store.execute("HDEL", store.keys("run", run.id), "place", "queue", "priority")
    assert await taking.all() == []
    await switch(Catalog(store), WORK_POOL, "default", False)
    assert await taking.all() == [run.id]


async def test_a_pool_shows_its_queues_in_their_order(store: Store) -> None:
    await define(store, BULK, {**URGENT, "limit": 2})
    await wait(store, "urgent")
    await wait(store, "of-nobody")
    (pool,) = await WorkPools(store, Catalog(store)).all()
    assert pool["queued"] == 2
    assert [(each["name"], each["queued"]) for each in pool["queues"]] == [
        ("urgent", 1), ("default", 0), ("of-nobody", 1), ("bulk", 0)
    ]  # fmt: skip
    assert pool["queues"][0]["limit"] == 2


async def test_real_workers_keep_order_and_limit_and_survive_each_other(
    store: Store, store_url: str, entrypoint: str, tmp_path: Path
) -> None:
    await define(store, {**URGENT, "limit": 1}, BULK)
    into = str(tmp_path / "order")

    async def put(name: str, queue: str, **more: Any) -> FlowRun:
        parameters = {"into": into, "name": name, **more}
        return await wait(store, queue, entrypoint=entrypoint, parameters=parameters)

    def order() -> list[str]:
        return Path(into).read_text().split() if Path(into).exists() else []

    bulk = await put("bulk", "bulk")
    plain = await put("plain", "default")
    first, second = await put("first", "urgent", wait=True), await put("second", "urgent")
    with scheduler(store_url), worker(store_url, "a", worker_concurrency=1) as one:
        await until_state(store, first, "Running")
        with worker(store_url, "b", worker_concurrency=1):
            await until_state(store, bulk, "Completed")
            assert order() == ["first", "plain", "bulk"]
            assert (await Runs(store).get(second.id)).state.name == "Scheduled"
            os.kill(one.pid, signal.SIGKILL)
            await asyncio.to_thread(Path(into + ".go").touch)
            await until_state(store, second, "Completed")
    assert (await Runs(store).get(plain.id)).state.name == "Completed"
    await until(lambda: _no_slots(store), "no slot is left")


async def _no_slots(store: Store) -> bool:
    return not await store.execute("HLEN", store.keys("slots", "work-queue:default/urgent"))
