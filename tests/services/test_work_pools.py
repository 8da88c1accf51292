"""Work pools: found by what speaks of them, paused for real, over restarts, and told as events."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import until
from upshot.events.embedded import EmbeddedStore
from upshot.events.exceptions import NotFound
from upshot.events.keys import WORKERS
from upshot.events.log import START, Log
from upshot.events.store import Store
from upshot.flows.runs.registry import Runs
from upshot.services.definitions.catalog import Catalog
from upshot.services.definitions.switching import WORK_POOL, switch
from upshot.services.scheduler.sweep import Sweep
from upshot.services.work_pools import WorkPools

from .api_served import Api, printed
from .running import submit, until_state, worker
from .taking import Taking

FLOWS = """
from upshot import flow


@flow
def made() -> None:
    pass
"""


@pytest.fixture
def entrypoint(tmp_path: Path) -> str:
    file = tmp_path / "made.py"
    file.write_text(FLOWS)
    return f"{file}:made"


async def pause(store: Store, paused: bool = True) -> bool:
    return await switch(Catalog(store), WORK_POOL, "default", paused)


async def test_a_paused_pool_starts_nothing_until_it_is_resumed_even_over_restarts(
    store: Store, store_url: str, embedded: EmbeddedStore, entrypoint: str
) -> None:
    async def nobody_is_called() -> bool:
        return not await store.execute("XLEN", store.keys("queue", "default"))

    async def the_second_is_there() -> Any:
        return await store.execute("HEXISTS", store.keys("workers"), "second")

    await pause(store)
    runs = [await submit(store, entrypoint) for _ in range(3)]
    with worker(store_url, "first"):
        await until(nobody_is_called, "the entries are used up")
    assert embedded.pid is not None
    os.kill(embedded.pid, signal.SIGKILL)
    await asyncio.to_thread(embedded.wait)
    await asyncio.to_thread(embedded.start)
    with worker(store_url, "second"):
        await until(the_second_is_there, "the second worker")
        assert [(await Runs(store).get(run.id)).state.name for run in runs] == ["Scheduled"] * 3
        await pause(store, False)
        for run in runs:
            await until_state(store, run, "Completed")


async def test_what_a_paused_pools_workers_hold_keeps_its_place(
    store: Store, entrypoint: str
) -> None:
    taking, ready = Taking(store), store.keys("ready", "default/default")
    await store.execute("XGROUP", "CREATE", taking.key, WORKERS, "0", "MKSTREAM")
    runs = [await submit(store, entrypoint) for _ in range(2)]
    before = await store.execute("ZRANGE", ready, 0, -1)
    assert await taking.read("who dies") is not None
    await pause(store)
    await asyncio.sleep(0.01)
    await Sweep(store, 1).run()
    assert await store.execute("ZRANGE", ready, 0, -1) == before
    assert await taking.all() == []
    await pause(store, False)
    assert await taking.all() == [run.id for run in runs]


async def test_a_pause_is_one_event_of_the_pool(store: Store) -> None:
    assert [await pause(store), await pause(store), await pause(store, False)] == [
        True,
        False,
        True,
    ]
    told = (await Log(store).read(START)).events
    assert [event.name for event in told] == ["work-pool.paused", "work-pool.resumed"]
    assert told[0].resource["name"] == "default"


async def test_a_pool_is_found_by_its_name_or_id_wherever_it_is_spoken_of(store: Store) -> None:
    pools = WorkPools(store, Catalog(store))
    docs = {"etl/nightly": {"name": "etl/nightly", "entrypoint": "x.py:f", "work_pool": "heavy"}}
    await Catalog(store).apply({"deployment": docs})
    (pool,) = await pools.all()
    assert (pool["name"], pool["paused"], pool["queued"]) == ("heavy", False, 0)
    assert await pools.find(pool["id"]) == await pools.find(f"work-pool.{pool['id']}") == "heavy"
    with pytest.raises(NotFound, match="did you mean 'heavy'"):
        await pools.find("heavi")


async def test_pools_and_deployments_are_paused_over_http(api: Api) -> None:
    doc = {"name": "etl/nightly", "entrypoint": "/x.py:f", "work_pool": "heavy"}
    await api.post("/api/v1/deployments", 201, json=doc)
    for path in ("work-pools/heavy", "deployments/etl/nightly"):
        assert (await api.post(f"/api/v1/{path}/pause"))["paused"] is True
        assert (await api.get(f"/api/v1/{path}"))["paused"] is True
        assert not (await api.post(f"/api/v1/{path}/resume")).get("paused")
    await api.post("/api/v1/work-pools/heavy/pause")
    await api.post("/api/v1/work-pools/light/pause", 404)
    health = await api.get("/readyz", 503)
    assert health["parts"]["workers"]["paused"] == "heavy"


async def test_a_queue_is_paused_over_http_and_a_wrong_name_is_told(api: Api) -> None:
    doc = {"name": "etl/nightly", "entrypoint": "/x.py:f", "work_pool": "heavy", "queue": "bulk"}
    await api.post("/api/v1/deployments", 201, json=doc)
    for verb, paused in (("pause", True), ("resume", False)):
        found = await api.post(f"/api/v1/work-pools/heavy/queues/bulk/{verb}")
        assert {each["name"]: each["paused"] for each in found["queues"]} == {
            "bulk": paused, "default": False
        }  # fmt: skip
    told = await api.post("/api/v1/work-pools/heavy/queues/bulc/pause", 404)
    assert "did you mean 'bulk'" in told["detail"]


async def test_a_queue_is_paused_from_the_command_line(api: Api) -> None:
    doc = {"name": "etl/nightly", "entrypoint": "/x.py:f", "work_pool": "heavy", "queue": "bulk"}
    await api.post("/api/v1/deployments", 201, json=doc)
    for verb, paused in (("pause", "yes"), ("resume", "no")):
        await asyncio.to_thread(printed, api, "work-pool", "queue", verb, "heavy", "bulk")
        _, row, _ = (
            await asyncio.to_thread(printed, api, "work-pool", "queues", "heavy")
        ).splitlines()
        assert (row.split()[0], paused in row.split()) == ("bulk", True)


async def test_a_paused_deployment_takes_runs_that_somebody_asks_for(api: Api) -> None:
    doc = {"name": "etl/nightly", "entrypoint": "/x.py:f"}
    await api.post("/api/v1/deployments", 201, json=doc)
    await api.post("/api/v1/deployments/etl/nightly/pause")
    made = await api.post("/api/v1/runs", 201, json={"deployment": "etl/nightly"})
    assert made["state"]["name"] == "Scheduled"


@pytest.mark.parametrize(("group", "name"), [("work-pool", "heavy"), ("deployment", "etl/nightly")])
async def test_pools_and_deployments_are_paused_from_the_command_line(
    api: Api, group: str, name: str
) -> None:
    doc = {"name": "etl/nightly", "entrypoint": "/x.py:f", "work_pool": "heavy"}
    await api.post("/api/v1/deployments", 201, json=doc)
    for verb, paused in (("pause", "yes"), ("resume", "no")):
        await asyncio.to_thread(printed, api, group, verb, name)
        _, row = (await asyncio.to_thread(printed, api, group, "ls")).splitlines()
        assert (row.split()[0], paused in row.split()) == (name, True)
