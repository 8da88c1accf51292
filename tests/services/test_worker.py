"""Workers, flow processes and bad days, all of them real processes."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from tests.waiting import until
from upshot.events.embedded import EmbeddedStore
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.runs.registry import Runs

from .running import process_stat, scheduler, submit, until_line, until_state, worker

FLOWS = """
import ctypes, os, subprocess, sys, time
from pathlib import Path

from upshot import flow

VERSION = 1


@flow
def write(path: str) -> None:
    with open(path, "a") as file:
        file.write(f"{VERSION} {os.getpid()}\\n")


@flow
def stay(path: str, seconds: float = 600.0) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(path).write_text(f"{os.getpid()} {child.pid}\\n")
    time.sleep(seconds)
    Path(path + ".done").write_text("done")


@flow
def busy(path: str) -> None:
    ctypes.PyDLL(None).sleep(4)  # holds the interpreter's lock, as a long call into C does
    Path(path).write_text("done")


@flow
def leave(path: str) -> None:
    os._exit(0)
"""


async def staying(store: Store, flows: Path, path: Path, **more: Any) -> tuple[FlowRun, int, int]:
    """Start a flow that stays; return its run, its process and the process that it started."""
    run = await submit(store, f"{flows}:stay", path=str(path), **more)
    pid, child = map(int, (await until_line(path)).split())
    return run, pid, child


async def gone(pid: int) -> None:
    async def there() -> bool:
        return process_stat(pid)[:1] in ([], ["Z"], ["Z+"])

    await until(there, f"process {pid} gone")


async def names_of_events(store: Store, prefix: str) -> list[str]:
    events = await Log(store).range(limit=5000)
    return [event.name for event in events if event.name.startswith(prefix)]


async def test_twenty_runs_at_four_at_a_time_all_complete(
    store: Store, flows: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    runs = [await submit(store, f"{flows}:write", path=str(out)) for _ in range(20)]
    with worker(store.url, worker_concurrency=4):
        for run in runs:
            await until_state(store, run, "Completed")
    lines = out.read_text().splitlines()
    assert len(lines) == 20
    assert len({line.split()[1] for line in lines}) == 20, "each run has a process of its own"
    group = (await store.execute("XINFO", "GROUPS", store.keys("queue", "default")))[0]
    assert group[b"pending"] == 0
    assert await store.execute("XLEN", store.keys("queue", "default")) == 0


async def test_a_worker_takes_no_more_runs_than_it_has_slots(
    store: Store, flows: Path, tmp_path: Path
) -> None:
    with worker(store.url, worker_concurrency=1):
        await staying(store, flows, tmp_path / "first")
        second = await submit(store, f"{flows}:write", path=str(tmp_path / "second"))
        await asyncio.sleep(0.3)
        with worker(store.url, "other"):
            await until_state(store, second, "Completed")


async def test_changed_code_is_what_the_next_run_runs(
    served: Store, flows: Path, tmp_path: Path
) -> None:
    first = await submit(served, f"{flows}:write", path=str(tmp_path / "first"))
    await until_state(served, first, "Completed")
    await asyncio.to_thread(flows.write_text, FLOWS.replace("VERSION = 1", "VERSION = 2"))
    second = await submit(served, f"{flows}:write", path=str(tmp_path / "second"))
    await until_state(served, second, "Completed")
    assert (tmp_path / "first").read_text().startswith("1 ")
    assert (tmp_path / "second").read_text().startswith("2 ")


async def test_a_killed_flow_process_is_crashed_at_once_and_takes_its_children_along(
    store: Store, flows: Path, tmp_path: Path
) -> None:
    with worker(store.url, lease=600):
        run, pid, child = await staying(store, flows, tmp_path / "out")
        os.kill(pid, signal.SIGKILL)
        crashed = await until_state(store, run, "Crashed")
        await gone(child)
    assert crashed.state.message == "its process was killed by signal 9 (SIGKILL)"
    assert crashed.epoch > 2
    assert "flow-run.crashed" in await names_of_events(store, "flow-run.")


async def test_a_process_that_leaves_without_a_word_is_crashed(store: Store, flows: Path) -> None:
    with worker(store.url, lease=600):
        run = await submit(store, f"{flows}:leave", path="")
        crashed = await until_state(store, run, "Crashed")
    assert "exit code 0 before the run did" in crashed.state.message


async def test_an_entrypoint_that_is_not_there_fails_the_run(served: Store, tmp_path: Path) -> None:
    run = await submit(served, f"{tmp_path}/nowhere.py:flow")
    failed = await until_state(served, run, "Failed", "Crashed")
    assert failed.state.name == "Failed"
    assert "nowhere.py" in failed.state.message


async def test_a_module_that_ends_its_process_on_import_crashes_the_run(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / "bad.py").write_text("import os\nos._exit(3)\n")
    with worker(store.url, lease=600):
        run = await submit(store, f"{tmp_path}/bad.py:flow")
        crashed = await until_state(store, run, "Crashed")
    assert "exit code 3" in crashed.state.message


async def test_a_killed_worker_takes_its_flows_along_and_they_crash_after_a_lease(
    store: Store, flows: Path, tmp_path: Path
) -> None:
    with scheduler(store.url), worker(store.url) as process:
        run, pid, _ = await staying(store, flows, tmp_path / "out")
        process.kill()
        await gone(pid)
        crashed = await until_state(store, run, "Crashed")
        await until(lambda: _offline(store), "offline")
    assert crashed.state.message == "its process has shown no sign of life for a lease"
    assert await names_of_events(store, "worker.") == ["worker.online", "worker.offline"]


async def _offline(store: Store) -> bool:
    return not await store.execute("HGETALL", store.keys("workers"))


async def test_a_stopped_flow_process_is_crashed_and_can_not_write_when_it_wakes(
    store: Store, flows: Path, tmp_path: Path
) -> None:
    with scheduler(store.url), worker(store.url) as process:
        run, pid, _ = await staying(store, flows, tmp_path / "out", seconds=2)
        process.send_signal(signal.SIGSTOP)  # else the worker would end what lost its run
        os.kill(pid, signal.SIGSTOP)
        crashed = await until_state(store, run, "Crashed")
        os.kill(pid, signal.SIGCONT)
        await gone(pid)
        process.send_signal(signal.SIGCONT)
    assert (await Runs(store).get(run.id)).version == crashed.version
    assert await names_of_events(store, "flow-run.completed") == []


async def test_a_worker_kills_a_process_whose_run_was_taken_from_it(
    served: Store, flows: Path, tmp_path: Path
) -> None:
    run, pid, _ = await staying(served, flows, tmp_path / "out")
    os.kill(pid, signal.SIGSTOP)
    await until_state(served, run, "Crashed")
    await gone(pid)


async def test_a_process_that_is_too_busy_to_show_life_is_not_taken_for_dead(
    served: Store, flows: Path, tmp_path: Path
) -> None:
    run = await submit(served, f"{flows}:busy", path=str(tmp_path / "out"))
    ended = await until_state(served, run, "Completed", "Crashed")
    assert (ended.state.name, ended.attempt) == ("Completed", 1)


async def test_a_run_that_is_cancelled_stops(store: Store, flows: Path, tmp_path: Path) -> None:
    with worker(store.url, lease=600):
        run, pid, _ = await staying(store, flows, tmp_path / "out")
        await Runs(store).cancel(run.id)
        await until_state(store, run, "Cancelled")
        await gone(pid)


async def test_sigterm_lets_the_running_flows_end_and_takes_nothing_new(
    store: Store, flows: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with worker(store.url) as process:
        run, _, _ = await staying(store, flows, out, seconds=1)
        process.terminate()
        await asyncio.sleep(0.2)
        late = await submit(store, f"{flows}:write", path=str(tmp_path / "late"))
        assert await asyncio.to_thread(process.wait, 30) == 0
    assert (await Runs(store).get(run.id)).state.name == "Completed"
    assert (await Runs(store).get(late.id)).state.name == "Scheduled"
    assert await names_of_events(store, "worker.") == ["worker.online", "worker.offline"]


async def test_a_run_whose_worker_died_before_it_took_it_goes_to_another(
    store: Store, flows: Path, tmp_path: Path
) -> None:
    queue = store.keys("queue", "default")
    run = await submit(store, f"{flows}:write", path=str(tmp_path / "out"))
    await store.execute("XGROUP", "CREATE", queue, "workers", "0")
    await store.execute("XREADGROUP", "GROUP", "workers", "dead", "STREAMS", queue, ">")
    with scheduler(store.url), worker(store.url):
        await until_state(store, run, "Completed")


async def test_a_queue_that_vanished_is_made_again(
    store: Store, flows: Path, tmp_path: Path
) -> None:
    with worker(store.url):
        first = await submit(store, f"{flows}:write", path=str(tmp_path / "first"))
        await until_state(store, first, "Completed")
        await store.execute("DEL", store.keys("queue", "default"))
        second = await submit(store, f"{flows}:write", path=str(tmp_path / "second"))
        await until_state(store, second, "Completed")


async def test_runs_go_on_when_the_store_was_killed_in_between(
    embedded: EmbeddedStore, store: Store, flows: Path, tmp_path: Path
) -> None:
    with scheduler(store.url), worker(store.url, lease=3):
        run, _, _ = await staying(store, flows, tmp_path / "out", seconds=2)
        assert embedded.pid is not None
        os.kill(embedded.pid, signal.SIGKILL)
        await asyncio.to_thread(embedded.wait, 10)
        await asyncio.to_thread(embedded.start)
        later = await submit(store, f"{flows}:write", path=str(tmp_path / "later"))
        await until_state(store, later, "Completed")
        ended = await until_state(store, run, "Completed", "Crashed", "Failed")
    assert ended.state.name == "Completed"
