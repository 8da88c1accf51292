"""Entries whose consumer is gone: given to somebody else, or to the dead letters, never lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic_core import from_json, to_json

from upshot.events.keys import DISPATCHERS, WORKERS
from upshot.events.store import Store
from upshot.flows.runs.flowrun import new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.scheduler.sweep import Sweep


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    store = Store(store_url)
    await store.execute("XGROUP", "CREATE", store.keys("actions"), DISPATCHERS, "0", "MKSTREAM")
    yield store
    await store.close()


def entry(**more: Any) -> dict[str, Any]:
    return {
        "firing": "f",
        "automation": {"id": "a", "name": "heals", "version": 1},
        "bucket": [],
        "reason": "matched",
        "at": 1,
        "received": 1,
        "cause": "e",
        "events": [],
        "actions": [{"notify": {"to": "oncall"}}, {"notify": {"to": "others"}}],
        "causation": {"depth": 1, "chain": ["e"], "automations": {"a": 1}},
        "next": 0,
        "attempt": 0,
        **more,
    }


async def add(store: Store, body: bytes) -> None:
    await store.execute("XADD", store.keys("actions"), "*", "f", body)


async def deliver(store: Store, stream: str = "actions", group: str = DISPATCHERS) -> list[Any]:
    """Give what is new to a consumer that never answers."""
    key = store.keys(stream)
    answer = await store.execute("XREADGROUP", "GROUP", group, "dead", "STREAMS", key, ">")
    return list(answer[key.encode()]) if answer else []


async def letters(store: Store) -> list[dict[str, Any]]:
    stored = await store.execute("XRANGE", store.keys("dead-letters"), "-", "+")
    return [from_json(fields[1]) for _, fields in stored]


async def pending(store: Store) -> int:
    return int((await store.execute("XPENDING", store.keys("actions"), DISPATCHERS))[0])


async def test_an_action_that_is_being_done_is_left_alone(store: Store) -> None:
    await add(store, to_json(entry()))
    assert len(await deliver(store)) == 1
    await Sweep(store, idle_ms=600_000).run()
    assert await pending(store) == 1
    assert await deliver(store) == []


async def test_an_action_left_behind_is_given_out_again_and_counted(store: Store) -> None:
    await add(store, to_json(entry()))
    await deliver(store)
    await Sweep(store, idle_ms=0).run()
    ((_, fields),) = await deliver(store)
    assert from_json(fields[1])["n"] == 1
    assert await store.execute("XLEN", store.keys("actions")) == 1


async def test_an_action_is_given_out_again_however_often_that_was(store: Store) -> None:
    await add(store, to_json(entry(n=50)))
    await deliver(store)
    await Sweep(store, idle_ms=0).run()
    ((_, fields),) = await deliver(store)
    assert from_json(fields[1])["n"] == 51
    assert await letters(store) == []


async def test_an_entry_that_can_not_be_read_becomes_a_dead_letter(store: Store) -> None:
    await add(store, b"not JSON")
    await deliver(store)
    await Sweep(store, idle_ms=0).run()
    (letter,) = await letters(store)
    assert letter["raw"] == "not JSON"
    assert await pending(store) == 0


async def test_an_entry_that_was_finished_meanwhile_does_not_come_back(store: Store) -> None:
    await add(store, to_json(entry()))
    ((entry_id, fields),) = await deliver(store)
    await store.execute("XDEL", store.keys("actions"), entry_id)
    again = await store.call("redeliver", "actions", DISPATCHERS, entry_id, "f", fields[1])
    assert again == 0
    assert await store.execute("XLEN", store.keys("actions")) == 0


async def test_a_run_that_still_waits_goes_to_the_end_of_its_queue(store: Store) -> None:
    runs = Runs(store)
    waiting = new_run("made", state=State("Scheduled"), pool="default")
    taken = new_run("made", state=State("Scheduled"), pool="default")
    queue = store.keys("queue", "default")
    for run in (waiting, taken):
        await runs.create(run)
    await store.execute("XGROUP", "CREATE", queue, WORKERS, "0")
    assert len(await deliver(store, "queue:default", WORKERS)) == 2
    await runs.transition(await runs.get(taken.id), State("Pending"), own=False)
    await Sweep(store, idle_ms=0).run()
    ((_, fields),) = await deliver(store, "queue:default", WORKERS)
    assert fields[1].decode() == waiting.id
    assert await store.execute("XLEN", queue) == 1


async def test_only_idle_consumers_without_entries_are_dropped(store: Store) -> None:
    await store.execute("XGROUP", "CREATECONSUMER", store.keys("actions"), DISPATCHERS, "new")
    await Sweep(store, idle_ms=0).forget_consumers()
    consumers = await store.execute("XINFO", "CONSUMERS", store.keys("actions"), DISPATCHERS)
    assert len(consumers) == 1


async def test_a_stream_without_a_group_is_no_error(store_url: str) -> None:
    store = Store(store_url)
    await store.execute("SADD", store.keys("pools"), "nobody")
    sweep = Sweep(store, idle_ms=0)
    await sweep.run()
    await sweep.forget_consumers()
    await store.close()
