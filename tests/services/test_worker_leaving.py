"""Workers that leave, and process trees that end with their runs: real processes throughout."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from prometheus_client import CollectorRegistry

from tests.waiting import until
from upshot.events.store import Store
from upshot.flows.runs.registry import Runs
from upshot.services.worker.claims import Waiting
from upshot.services.worker.queue import Queue

from .running import process_stat, submit, until_line, until_state, worker

FLOWS = """
import os, subprocess, sys, time
from pathlib import Path

from prometheus_client import CollectorRegistry

from upshot import flow, task

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@flow
def leaves_children(path: str) -> None:
    plain = subprocess.Popen(SLEEP)
    apart = subprocess.Popen(SLEEP, start_new_session=True)
    daemon = Path(path + ".daemon")
    if os.fork() == 0:
        os.setsid()
        child = subprocess.Popen(SLEEP)
        daemon.write_text(str(child.pid))
        os._exit(0)
    os.wait()
    Path(path).write_text(f"{plain.pid} {apart.pid} {daemon.read_text()}\\n")


@flow
def stays_with_children(path: str) -> None:
    leaves_children.fn(path)
    time.sleep(600)


@task
def first(path: str) -> None:
    with open(path, "a") as file:
        file.write("first\\n")


@task
def second(path: str) -> str:
    with open(path, "a") as file:
        file.write("second\\n")
    if Path(path).read_text().count("second") == 1:
        Path(path).with_suffix(".pid").write_text(str(os.getpid()))
        time.sleep(600)
    return "done"


@flow
def two_steps(path: str) -> str:
    first(path)
    return second(path)
"""


async def all_gone(pids: list[int]) -> None:
    async def there() -> bool:
        return all(process_stat(pid)[:1] in ([], ["Z"]) for pid in pids)

    await until(there, f"the end of {pids}")


async def test_nothing_that_a_flow_has_started_outlives_it_even_in_a_session_of_its_own(
    store: Store, flows: Path, tmp_path: Path
) -> None:
    path = tmp_path / "pids"
    with worker(store.url):
        run = await submit(store, f"{flows}:leaves_children", path=str(path))
        pids = [int(pid) for pid in (await until_line(path)).split()]
        await until_state(store, run, "Completed")
        await all_gone(pids)


async def test_a_killed_worker_takes_along_what_its_flows_have_started(
    store: Store, flows: Path, tmp_path: Path
) -> None:
    path = tmp_path / "pids"
    with worker(store.url) as process:
        await submit(store, f"{flows}:stays_with_children", path=str(path))
        pids = [int(pid) for pid in (await until_line(path)).split()]
        process.kill()
        await all_gone(pids)


async def test_a_run_that_does_not_end_in_time_is_handed_over_and_goes_on_where_it_was(
    store: Store, flows: Path, tmp_path: Path
) -> None:
    path = tmp_path / "steps"
    with worker(store.url, "leaving") as leaving:
        run = await submit(store, f"{flows}:two_steps", path=str(path))
        await until(lambda: _has(path, "second"), "the second step")
        leaving.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.2)
        leaving.send_signal(signal.SIGTERM)  # the second one ends its patience
        waits = await until_state(store, run, "AwaitingRetry")
        assert "another one goes on with it" in waits.state.message
        assert await asyncio.to_thread(leaving.wait) == 0
        with worker(store.url, "staying"):
            done = await until_state(store, run, "Completed")
    assert (done.result, done.attempt) == ("done", 1)
    assert path.read_text().split() == ["first", "second", "second"]


async def _is_done(store: Store, run_id: str, task: str) -> bool:
    done = [
        each for each in await Runs(store).tasks(run_id) if each["state"]["type"] == "Completed"
    ]
    return task in [each["task"] for each in done]


async def _has(path: Path, word: str) -> bool:
    return _holds(path, word)


def _holds(path: Path, word: str) -> bool:
    return path.exists() and word in path.read_text()


async def test_a_worker_leaves_when_it_is_asked_to_through_the_store(
    store: Store, flows: Path
) -> None:
    async def shown() -> bool:
        return bool(await store.execute("HEXISTS", store.keys("workers"), "asked"))

    with worker(store.url, "asked") as process:
        await until(shown, "the worker")
        assert await store.call("drain_worker", "asked", b"{}") == 1
        assert await store.call("drain_worker", "asked", b"{}") == 0
        assert await asyncio.to_thread(process.wait) == 0
    assert not await store.execute("EXISTS", store.keys("drains"))


async def test_a_run_that_was_handed_over_and_whose_process_was_killed_goes_on_as_well(
    store: Store, flows: Path, tmp_path: Path
) -> None:
    path = tmp_path / "steps"
    with worker(store.url):
        run = await submit(store, f"{flows}:two_steps", path=str(path))
        await until(lambda: _has(path.with_suffix(".pid"), ""), "the second step")
        await until(lambda: _is_done(store, run.id, "first"), "the first step's end in the store")
        epoch = (await Runs(store).get(run.id)).epoch
        assert await store.call("hand_over", run.id, epoch) == 1
        os.kill(int(path.with_suffix(".pid").read_text()), signal.SIGKILL)
        done = await until_state(store, run, "Completed")
    assert done.result == "done"
    assert path.read_text().split() == ["first", "second", "second"]


async def test_a_queue_whose_reading_is_cancelled_while_it_begins_is_read_no_more(
    store: Store,
) -> None:
    async def take(_: Waiting) -> None: ...

    for halves in range(24):
        queue = Queue(store, "default", "early", take, CollectorRegistry())
        reading = asyncio.create_task(queue.run())
        await asyncio.sleep(halves / 2000)
        reading.cancel()
        await asyncio.wait([reading], timeout=10)
        assert reading.cancelled(), f"after {halves / 2} ms"


STUCK = """
import ctypes, time

from upshot import flow


def stand_still() -> None:
    # It holds the interpreter's lock, and waits for what never comes, whatever signals do.
    mutex = ctypes.create_string_buffer(256)
    for _ in range(2):
        ctypes.PyDLL(None).pthread_mutex_lock(mutex)


@flow(timeout_seconds=0.2)
def stuck() -> None:
    stand_still()


@flow(timeout_seconds=0.2)
async def stuck_coroutine() -> None:
    stand_still()


@flow(timeout_seconds=0.2)
def slow_to_clean_up() -> None:
    try:
        time.sleep(600)
    finally:
        time.sleep(6)
"""


async def test_a_timeout_ends_what_does_not_yield_and_lets_clean_up_what_does(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / "stuck.py").write_text(STUCK)
    names = ("stuck", "stuck_coroutine", "slow_to_clean_up")
    with worker(store.url, lease=15):
        runs = [await submit(store, f"{tmp_path}/stuck.py:{name}") for name in names]
        ends = [await until_state(store, run, "TimedOut", "Crashed") for run in runs]
    assert [end.state.name for end in ends] == ["TimedOut"] * 3
    assert [end.state.message.startswith("it took longer than its timeout") for end in ends] == [
        True,
        True,
        False,
    ]
