"""Limits across real worker processes: lines in order, collisions, and holders that are killed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import until
from upshot.automations.files.declarations import Deployment, Limit
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.definitions.catalog import Catalog

from .running import scheduler, until_state, worker

KILLS = 15
FLOWS = """
import os, time
from pathlib import Path

from upshot import concurrency, flow, task


@flow
def holding(path: str, key: str) -> None:
    with concurrency("database"):
        with open(path, "a") as file:
            file.write(f"{key} {os.getpid()}\\n")
        while not Path(f"{path}.{key}").exists():
            time.sleep(0.01)


@flow
def plain(path: str, key: str) -> None:
    with open(path, "a") as file:
        file.write(f"{key} {os.getpid()}\\n")
    while not Path(f"{path}.{key}").exists():
        time.sleep(0.01)
"""


LOAD = """

def alive(entry: Path) -> bool:
    try:
        os.kill(int(entry.name.partition("-")[0]), 0)
    except ProcessLookupError:
        return False
    return True


@task(tags=["db"])
def query(path: str, number: int) -> int:
    here = Path(path) / f"{os.getpid()}-{number}"
    here.touch()
    inside = sum(alive(entry) for entry in Path(path).glob("*-*"))
    time.sleep(0.02)
    here.unlink()
    return inside


@flow
def load(path: str) -> int:
    with concurrency("database"):
        (Path(path) / "pids" / str(os.getpid())).touch()
        most, round = 0, 0
        while round == 0 or not (Path(path) / "enough").exists():
            most, round = max(most, *query.map([path] * 6, range(6)).result()), round + 1
        return most
"""


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    file = tmp_path / "made.py"
    file.write_text(FLOWS + LOAD)
    return file


async def limit(store: Store, name: str, slots: int) -> None:
    doc = Limit(name=name, limit=slots).model_dump(mode="json")
    await Catalog(store).put("limit", name, doc)


async def start(store: Store, flows: Path, name: str, key: str, **rest: Any) -> FlowRun:
    run = new_run(
        "made",
        state=State("Scheduled"),
        entrypoint=f"{flows}:{name}",
        pool="default",
        parameters={"path": str(flows.with_name("out")), "key": key},
        **rest,
    )
    await Runs(store).create(run)
    return run


def end(flows: Path, key: str) -> None:
    flows.with_name(f"out.{key}").touch()


def begun(flows: Path) -> list[str]:
    """Return the keys of the runs that began, in order."""
    out = flows.with_name("out")
    return [line.split()[0] for line in out.read_text().splitlines()] if out.exists() else []


async def until_begun(flows: Path, *keys: str) -> None:
    async def there() -> bool:
        return begun(flows) == list(keys)

    await until(there, f"{keys} begun")


async def until_waiting(store: Store, name: str, count: int) -> None:
    async def there() -> bool:
        return bool(await store.execute("ZCARD", store.keys("line", name)) == count)

    await until(there, f"{count} in the line of {name}")


async def until_told_to_wait(store: Store, count: int) -> None:
    """Wait until so many runs of the default queue are known to wait for a limit."""

    async def there() -> bool:
        return bool(await store.execute("SCARD", store.keys("told", "default/default")) == count)

    await until(there, f"{count} wait in their queue")


async def nothing_left(store: Store) -> None:
    """Wait until no slot is held, and nobody is in line."""

    async def there() -> bool:
        keys = await store.execute("KEYS", store.keys("*"))
        prefixes = ("slots", "line:", "asked", "ready", "told")
        return not [key for key in keys if key.decode().split(":", 2)[2].startswith(prefixes)]

    await until(there, "no slot is left behind")


async def deploy(store: Store, flows: Path, strategy: str) -> None:
    doc = Deployment.model_validate(
        {
            "name": "made/one",
            "entrypoint": f"{flows}:plain",
            "concurrency_limit": {"limit": 1, "collision_strategy": strategy},
        }
    ).model_dump(mode="json")
    await Catalog(store).put("deployment", "made/one", doc)


async def test_holders_that_are_killed_free_their_slots_for_the_next_in_line(
    store: Store, flows: Path
) -> None:
    await limit(store, "database", 1)
    with worker(store.url), scheduler(store.url):
        first = await start(store, flows, "holding", "a")
        await until_begun(flows, "a")
        second = await start(store, flows, "holding", "b")
        await until_waiting(store, "database", 1)
        third = await start(store, flows, "holding", "c")
        await until_waiting(store, "database", 2)
        os.kill(int(flows.with_name("out").read_text().split()[1]), signal.SIGKILL)
        await until_state(store, first, "Crashed")
        await until_begun(flows, "a", "b")
        end(flows, "b")
        await until_begun(flows, "a", "b", "c")
        end(flows, "c")
        for run in (second, third):
            await until_state(store, run, "Completed")
        await nothing_left(store)
    names = [event.name for event in await Log(store).range() if event.name.startswith("limit.")]
    assert names == [
        "limit.created", "limit.reached", "limit.reached", "limit.acquired", "limit.acquired"
    ]  # fmt: skip


async def test_one_that_waits_in_line_is_cancelled_and_leaves_it(
    served: Store, flows: Path
) -> None:
    await limit(served, "database", 1)
    await start(served, flows, "holding", "a")
    await until_begun(flows, "a")
    waiting = await start(served, flows, "holding", "b")
    await until_waiting(served, "database", 1)
    await Runs(served).cancel(waiting.id)
    await until_state(served, waiting, "Cancelled")
    await until_waiting(served, "database", 0)
    end(flows, "a")
    await nothing_left(served)


async def test_a_limit_that_is_deleted_or_grows_lets_those_go_on_who_wait(
    served: Store, flows: Path
) -> None:
    await limit(served, "database", 1)
    runs = [await start(served, flows, "holding", "a")]
    await until_begun(flows, "a")
    for number, key in enumerate("bc", 1):
        runs.append(await start(served, flows, "holding", key))
        await until_waiting(served, "database", number)
    await limit(served, "database", 2)
    await until_begun(flows, "a", "b")
    await Catalog(served).delete("limit", "database")
    await until_begun(flows, "a", "b", "c")
    for key in "abc":
        end(flows, key)
    for run in runs:
        await until_state(served, run, "Completed")
    await nothing_left(served)


async def test_runs_of_a_pool_begin_as_its_limit_allows_in_order(store: Store, flows: Path) -> None:
    await limit(store, "work-pool:default", 1)
    with worker(store.url), worker(store.url, "other"):
        runs = [await start(store, flows, "plain", "a")]
        await until_begun(flows, "a")
        for number, key in enumerate("bc", 1):
            runs.append(await start(store, flows, "plain", key))
            await until_told_to_wait(store, number)
        assert (await Runs(store).get(runs[1].id)).state.name == "Scheduled"
        for key, keys in (("a", "ab"), ("b", "abc"), ("c", "abc")):
            end(flows, key)
            await until_begun(flows, *keys)
        for run in runs:
            await until_state(store, run, "Completed")
        await nothing_left(store)


@pytest.mark.parametrize("strategy", ["ENQUEUE", "CANCEL_NEW", "CANCEL_RUNNING"])
async def test_a_run_too_many_of_a_deployment(served: Store, flows: Path, strategy: str) -> None:
    await deploy(served, flows, strategy)
    first = await start(served, flows, "plain", "a", deployment="made/one")
    await until_begun(flows, "a")
    second = await start(served, flows, "plain", "b", deployment="made/one")
    if strategy == "ENQUEUE":
        await until_waiting(served, "deployment:made/one", 1)
        end(flows, "a")
        await until_begun(flows, "a", "b")
    elif strategy == "CANCEL_NEW":
        await until_state(served, second, "Cancelled")
        end(flows, "a")
    else:
        await until_state(served, first, "Cancelled")
        await until_begun(flows, "a", "b")
    end(flows, "b")
    await until_state(served, first, "Completed", "Cancelled")
    await until_state(served, second, "Completed", "Cancelled")
    await nothing_left(served)
    ends = [(await Runs(served).get(run.id)).state.name for run in (first, second)]
    assert (
        ends
        == {
            "ENQUEUE": ["Completed", "Completed"],
            "CANCEL_NEW": ["Completed", "Cancelled"],
            "CANCEL_RUNNING": ["Cancelled", "Completed"],
        }[strategy]
    )


async def test_no_slot_is_lost_nor_given_twice_while_holders_are_killed(
    store: Store, flows: Path
) -> None:
    await limit(store, "database", 3)
    await limit(store, "tag:db", 4)
    await limit(store, "work-pool:default", 6)
    folder, runs = flows.with_name("load"), Runs(store)
    pids = folder / "pids"
    pids.mkdir(parents=True)
    made = []
    for _ in range(12):
        run = new_run("load", state=State("Scheduled"), entrypoint=f"{flows}:load", pool="default",
                      parameters={"path": str(folder)})  # fmt: skip
        await runs.create(run)
        made.append(run.id)
    kills = 0

    async def done() -> bool:
        nonlocal kills
        for entry in list(pids.iterdir()) if kills < KILLS else []:
            with suppress(ProcessLookupError):
                os.kill(int(entry.name), signal.SIGKILL)
                kills += 1
            entry.unlink()
            await asyncio.sleep(random.uniform(0.01, 0.1))
        if kills >= KILLS:
            (folder / "enough").touch()
        found = await runs.many(made)
        for run in found:
            if run.state.name == "Crashed":
                await runs.retry(run.id)
        return all(run.state.completed for run in found)

    with worker(store.url), worker(store.url, "other"), scheduler(store.url):
        await until(done, "all completed")
        await nothing_left(store)
    assert max(run.result for run in await runs.many(made)) <= 4
