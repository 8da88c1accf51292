"""What another version of Upshot has stored neither vanishes nor stops the rest: it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic_core import from_json, to_json

from tests.services.api_served import Api
from tests.services.engines import automation, defined, engine, event, firings, place, settled
from tests.services.running import worker
from tests.waiting import until
from upshot.events.ids import derived_id
from upshot.events.library import FUNCTIONS_VERSION, PREFIX, library
from upshot.events.store import Store
from upshot.flows.runs.flowrun import new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.api.health import readiness
from upshot.services.definitions.planning import Verb

OLD = {**automation("old"), "mood": "grim"}


async def kept(store: Store, doc: dict[str, Any]) -> None:
    """Put a definition in the store as an engine of another version has left it."""
    stored = b"1 " + to_json(doc)
    await store.execute("HSET", store.keys("docs", "automation"), doc["name"], stored)
    body = {"definition": doc, "version": 1, "position": 1_000}
    identity = derived_id("automation", doc["name"])
    await store.execute("HSET", store.keys("engine", "definitions"), identity, to_json(body))


async def test_an_automation_that_can_not_be_read_is_told_and_the_others_fire(store: Store) -> None:
    await kept(store, OLD)
    await kept(store, automation("one"))
    await place(store, 2_000, event())
    async with engine(store):
        await settled(store)
        found = (await readiness(store))["parts"]["automations"]
    assert [each["automation"] for each in await firings(store)] == ["one"]
    assert (found["ready"], found["out_of_force"]) == (False, 1)
    assert found["why"] == ["old: mood: unknown key"]
    assert await store.execute("HLEN", store.keys("engine", "definitions")) == 2


async def test_once_it_is_applied_anew_nothing_is_told_any_more(store: Store) -> None:
    await kept(store, OLD)
    await place(store, 2_000, event("other"))
    async with engine(store):
        await settled(store)
        assert "automations" in (await readiness(store))["parts"]
        await place(store, 3_000, defined(automation("old"), "old", Verb.UPDATED, 2), own=True)
        await settled(store)
        assert "automations" not in (await readiness(store))["parts"]
        await place(store, 4_000, event())
        await settled(store)
    assert [each["automation"] for each in await firings(store)] == ["old"]


async def test_one_that_is_deleted_is_told_no_more(store: Store) -> None:
    await kept(store, OLD)
    await place(store, 3_000, defined(None, "old", Verb.DELETED, 2), own=True)
    async with engine(store):
        await settled(store)
        assert "automations" not in (await readiness(store))["parts"]


async def test_questions_about_it_are_answered_with_what_is_wrong(api: Api) -> None:
    await kept(api.store, OLD)
    assert (await api.get("/api/v1/automations/old"))["mood"] == "grim"
    for path, body in (
        ("explain", {"automation": "old", "last": 1}),
        ("backtest", {"automation": "old"}),
        ("test", {"automation": "old"}),
    ):
        found = await api.post(f"/api/v1/automations/{path}", 409, json=body)
        assert found["type"].endswith("unreadable-definition")
        assert "mood: unknown key" in found["detail"]


async def test_runs_that_an_older_version_had_in_line_for_their_pool_go_on_in_its_queue(
    store: Store,
) -> None:
    runs = Runs(store)
    made = [new_run("f", state=State("Scheduled"), pool="default") for _ in range(3)]
    for nth, run in enumerate(made):
        await runs.create(run)
        token, limits = f"{run.id}/", ["deployment:f/d", "work-pool:default"]
        told = to_json({"event": "limit.acquired", "run": run.id})[:-1] + b',"payload":'
        ask = {"limits": limits, "slots": 1, "pool": "default", "since": 0, "held": False}
        await store.execute("ZREM", store.keys("ready", "default/default"), run.id)
        for limit in limits:
            await store.execute("ZADD", store.keys("line", limit), nth, token)
        stored = to_json({**ask, "told": told.decode()})
        await store.execute("HSET", store.keys("asked", run.id), token, stored)
    await runs.cancel(made[1].id)
    await store.load_functions()
    await store.load_functions()
    waiting = await store.execute("ZRANGE", store.keys("ready", "default/default"), 0, -1)
    assert [each.decode() for each in waiting] == [made[0].id, made[2].id]
    for limit in ("deployment:f/d", "work-pool:default"):
        assert not await store.execute("ZCARD", store.keys("line", limit))
    bodies = [from_json(fields[1]) for _, fields in await store.execute(*_whole_log(store))]
    ended = [body["run"] for body in bodies if body["event"] == "limit.acquired"]
    assert ended == [made[0].id, made[2].id]


@asynccontextmanager
async def newer_functions(store: Store) -> AsyncIterator[None]:
    theirs = library().replace(PREFIX, "upshot99_")
    theirs = theirs.replace(f"return {FUNCTIONS_VERSION}\nend", "return 99\nend")
    await store.execute("FUNCTION", "LOAD", "REPLACE", theirs)
    try:
        yield
    finally:
        await store.execute("FUNCTION", "LOAD", "REPLACE", library())


async def test_events_for_a_store_that_a_newer_version_has_are_refused_plainly(api: Api) -> None:
    async with newer_functions(api.store):
        body = {"event": "a.b", "resource": {"id": "a"}}
        found = await api.post("/api/v1/events", 503, json=body)
    assert found["type"].endswith("store-unsuitable")
    assert "a newer Upshot (functions 99" in found["detail"]


async def test_a_worker_leaves_a_store_that_a_newer_version_has(
    store: Store, store_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async def is_shown() -> Any:
        return await store.execute("HLEN", store.keys("workers"))

    with worker(store_url) as process:
        await until(is_shown, "the worker is there")
        async with newer_functions(store):
            assert await asyncio.to_thread(process.wait, 60) == 1
    assert "a newer Upshot (functions 99" in capfd.readouterr().err


def _whole_log(store: Store) -> tuple[str, ...]:
    return ("XRANGE", store.keys("log"), "-", "+")
