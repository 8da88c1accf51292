"""Queues of a work pool: the order in which workers take runs, limits, pauses; nothing is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from upshot.automations.files.declarations import WorkPool
from upshot.events.exceptions import LimitReached
from upshot.events.keys import WORKERS
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.definitions.catalog import Catalog
from upshot.services.definitions.switching import WORK_POOL, switch, switch_queue
from upshot.services.scheduler.sweep import Sweep
from upshot.services.work_pools import WorkPools
from upshot.services.worker.claims import Claims, Waiting

from .running import scheduler, until, until_state, worker

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
URGENT: dict[str, Any] = {"name": "urgent", "priority": 1}
BULK: dict[str, Any] = {"name": "bulk", "priority": 200}


@pytest.fixture
def entrypoint(tmp_path: Path) -> str:
    (tmp_path / "noting.py").write_text(FLOWS)
    return f"{tmp_path / 'noting.py'}:note"


async def define(store: Store, *queues: dict[str, Any], **more: Any) -> None:
    pool = WorkPool.model_validate({"name": "default", "queues": queues, **more})
    await Catalog(store).apply({WORK_POOL: {"default": pool.model_dump(mode="json")}})


async def wait(store: Store, queue: str = "default", priority: int = 0, **more: Any) -> FlowRun:
    """Put a run into a queue."""
    place: dict[str, Any] = {"pool": "default", "queue": queue, "priority": priority}
    run = new_run("note", state=State("Scheduled"), **place, **more)
    await Runs(store).create(run)
    return run


class Taking:
    """What workers do with entries of the pool's stream, one step at a time."""

    def __init__(self, store: Store) -> None:
        self.store, self.key = store, store.keys("queue", "default")
        self.claims = Claims(store, Runs(store), "default", "w")

    async def read(self, consumer: str = "w") -> Waiting | None:
        """Read the next entry, if there is one."""
        answer = await self.store.execute(
            "XREADGROUP", "GROUP", WORKERS, consumer, "COUNT", 1, "STREAMS", self.key, ">"
        )
        for entry, fields in (answer or {}).get(self.key.encode(), []):
            return Waiting(entry.decode(), fields[1].decode())
        return None

    async def next(self) -> str | None:
        """Read entries and take runs until one is had; return its id."""
        while (entry := await self.read()) is not None:
            run = await self.claims.claim(entry)
            await self.claims.settle(entry)
            if run is not None:
                return run.id
        return None

    async def all(self) -> list[str]:
        found = []
        while (run := await self.next()) is not None:
            found.append(run)
        return found

    async def end(self, run_id: str) -> None:
        run = await Runs(self.store).get(run_id)
        await Runs(self.store).transition(run, State("Crashed"), own=False)


@pytest.fixture
async def taking(store: Store) -> Taking:
    key = store.keys("queue", "default")
    await store.execute("XGROUP", "CREATE", key, WORKERS, "0", "MKSTREAM")
    return Taking(store)


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


async def test_a_run_that_waits_for_its_deployment_has_no_slot_of_its_queue(
    store: Store, taking: Taking
) -> None:
    await define(store, {**URGENT, "limit": 1})
    doc = {"name": "etl/a", "entrypoint": "x.py:f", "concurrency_limit": {"limit": 1}}
    await Catalog(store).apply({"deployment": {"etl/a": doc}})
    running = await wait(store, deployment="etl/a")
    assert await taking.all() == [running.id]
    line, other = await wait(store, "urgent", deployment="etl/a"), await wait(store, "urgent")
    assert await taking.all() == [other.id]
    await taking.end(running.id)
    await taking.end(other.id)
    assert await taking.all() == [line.id]


async def limited(store: Store, name: str, strategy: str = "ENQUEUE") -> None:
    """Let one run of a deployment be under way at a time."""
    limit = {"limit": 1, "collision_strategy": strategy}
    doc = {"name": name, "entrypoint": "x.py:f", "concurrency_limit": limit}
    await Catalog(store).apply({"deployment": {name: doc}})


async def waits(store: Store) -> list[tuple[str, str, str]]:
    """Return what the log tells of waits: what happened, to which run, for which limit."""
    told = [event.body for event in await Log(store).range()]
    return [
        (event["event"], event["related"][0]["name"], event["resource"]["name"])
        for event in told
        if event["event"] in ("limit.reached", "limit.acquired")
    ]


async def test_a_run_that_its_deployment_holds_keeps_no_other_of_the_pool_waiting(
    store: Store, taking: Taking
) -> None:
    await define(store, concurrency_limit=2)
    await limited(store, "etl/a")
    first, held = await wait(store, deployment="etl/a"), await wait(store, deployment="etl/a")
    assert await taking.all() == [first.id]
    others = [await wait(store), await wait(store)]
    assert await taking.all() == [others[0].id]
    await taking.end(others[0].id)
    assert await taking.all() == [others[1].id]
    await taking.end(first.id)
    assert await taking.all() == [held.id]


async def test_priorities_hold_for_those_who_wait_for_the_pool(
    store: Store, taking: Taking
) -> None:
    await define(store, URGENT, concurrency_limit=1)
    running, plain = await wait(store), await wait(store)
    assert await taking.all() == [running.id]
    urgent = await wait(store, "urgent")
    assert await taking.all() == []
    await taking.end(running.id)
    assert await taking.all() == [urgent.id]
    await taking.end(urgent.id)
    assert await taking.all() == [plain.id]


async def test_priorities_hold_for_those_who_wait_for_their_deployment(
    store: Store, taking: Taking
) -> None:
    await limited(store, "etl/a")
    running = await wait(store, deployment="etl/a")
    assert await taking.all() == [running.id]
    late = await wait(store, deployment="etl/a", priority=5)
    assert await taking.all() == []
    early = await wait(store, deployment="etl/a", priority=-5)
    assert await taking.all() == []
    await taking.end(running.id)
    assert await taking.all() == [early.id]
    await taking.end(early.id)
    assert await taking.all() == [late.id]


async def test_each_wait_for_a_queue_or_pool_has_its_events_once(
    store: Store, taking: Taking
) -> None:
    await define(store, {**URGENT, "limit": 1}, concurrency_limit=2)
    first, second, third = [await wait(store, "urgent") for _ in range(3)]
    plain, other = await wait(store), await wait(store)
    assert await taking.all() == [first.id, plain.id]
    queue, pool = "work-queue:default/urgent", "work-pool:default"
    reached = [(second.name, queue), (third.name, queue), (other.name, pool)]
    assert sorted(await waits(store)) == sorted(("limit.reached", *wait) for wait in reached)
    await define(store, {**URGENT, "limit": 1, "priority": 2}, concurrency_limit=2)
    assert await taking.all() == []
    await taking.end(first.id)
    assert await taking.all() == [second.id]
    await Runs(store).cancel(third.id)
    await taking.end(plain.id)
    assert await taking.all() == [other.id]
    acquired = [(second.name, queue), (other.name, pool)]
    assert (await waits(store))[3:] == [("limit.acquired", *wait) for wait in acquired]


async def test_who_waited_in_a_paused_queue_is_told_to_wait_for_its_limit_once_it_goes_on(
    store: Store, taking: Taking
) -> None:
    await define(store, {**URGENT, "limit": 1, "paused": True})
    runs = [await wait(store, "urgent") for _ in range(3)]
    assert await taking.all() == []
    assert await waits(store) == []
    await define(store, {**URGENT, "limit": 1})
    assert await taking.all() == [runs[0].id]
    assert [run for _, run, _ in await waits(store)] == [run.name for run in runs[1:]]


async def test_a_worker_that_was_taken_for_dead_begins_only_where_there_is_room(
    store: Store, taking: Taking
) -> None:
    await define(store, {**URGENT, "limit": 1})
    chosen, other = await wait(store, "urgent"), await wait(store, "urgent", -1)
    entry = await taking.read("late")
    assert entry is not None
    picked = await store.call("pick", "default", entry.entry, entry.run_id)
    assert picked[0].decode() == other.id
    await Sweep(store, idle_ms=0).run()
    await Runs(store).cancel(other.id)
    assert await taking.all() == [chosen.id]
    await Runs(store).retry(other.id)
    with pytest.raises(LimitReached, match="work-queue:default/urgent"):
        await Runs(store).transition(await Runs(store).get(other.id), State("Pending"), own=False)
    assert await taking.claims.claim(entry) is None


async def test_who_began_before_there_was_a_limit_counts(store: Store, taking: Taking) -> None:
    running = await wait(store, deployment="etl/a")
    assert await taking.all() == [running.id]
    await define(store, concurrency_limit=1)
    held = await wait(store)
    assert await taking.all() == []
    await define(store)
    assert await taking.all() == [held.id]
    await limited(store, "etl/a")
    line = await wait(store, deployment="etl/a")
    assert await taking.all() == []
    await taking.end(running.id)
    assert await taking.all() == [line.id]


@pytest.mark.parametrize("strategy", ["CANCEL_NEW", "CANCEL_RUNNING"])
async def test_runs_too_many_of_a_deployment_are_cancelled_also_where_the_pool_is_full(
    store: Store, taking: Taking, strategy: str
) -> None:
    await define(store, concurrency_limit=1)
    await limited(store, "etl/a", strategy)
    first = await wait(store, deployment="etl/a")
    assert await taking.all() == [first.id]
    second = await wait(store, deployment="etl/a")
    assert await taking.all() == []
    kinds = [(await Runs(store).get(run.id)).state.name for run in (first, second)]
    expected = {
        "CANCEL_NEW": ["Pending", "Cancelled"],
        "CANCEL_RUNNING": ["Cancelling", "Scheduled"],
    }
    assert kinds == expected[strategy]


async def test_an_entry_from_before_there_were_queues_is_for_its_run(
    store: Store, taking: Taking
) -> None:
    run = await wait(store)
    await store.execute("ZREM", store.keys("ready", "default/default"), run.id)
    await store.execute("HDEL", store.keys("run", run.id), "place", "queue", "priority")
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
    await until("no slot is left", lambda: _no_slots(store))


async def _no_slots(store: Store) -> bool:
    return not await store.execute("HLEN", store.keys("slots", "work-queue:default/urgent"))
