"""Runs that wait for a limit of their queue, pool or deployment: who is next, and what is told."""

from __future__ import annotations

import pytest

from upshot.events.exceptions import LimitReached
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.definitions.catalog import Catalog
from upshot.services.scheduler.sweep import Sweep

from .taking import URGENT, Taking, define, wait


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
