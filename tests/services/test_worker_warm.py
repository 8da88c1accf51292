"""Warm parents: kept, given up when the code changes, and replaced when they die."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.waiting import until
from upshot.events.store import Store
from upshot.flows.runs.flowrun import new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.worker.warm import Warm, WarmParent

from .running import process_stat

FLOW = "from upshot import flow\n\n@flow\ndef name() -> str:\n    return __file__\n"
HANG = "import time\ntime.sleep(600)\n"
SLEEP = "import time\nfrom upshot import flow\n\n@flow\ndef name() -> None:\n    time.sleep(600)\n"


class Bench:
    """Warm parents with the ends that they told."""

    def __init__(self, store: Store, most: int) -> None:
        self.store = store
        self.ends: dict[int, int | None] = {}
        self.warm = Warm(store.url, 600_000, most, self.ends.__setitem__)
        self._number = 0

    async def launch(self, file: Path) -> int:
        run = new_run("made", state=State("Pending"), entrypoint=f"{file}:name", pool="default")
        await Runs(self.store).create(run)
        self._number += 1
        await self.warm.launch(self._number, run)
        return self._number

    async def finish(self, file: Path) -> WarmParent:
        job = await self.launch(file)
        await until(lambda: _has(self.ends, job), "its end")
        return self.warm._parents[f"{file}:name"]


async def _has(ends: dict[int, int | None], job: int) -> bool:
    return job in ends


@pytest.fixture
async def bench(store_url: str) -> AsyncIterator[Bench]:
    store = Store(store_url)
    bench = Bench(store, most=2)
    yield bench
    await bench.warm.close()
    await store.close()


def write(folder: Path, name: str, text: str = FLOW) -> Path:
    file = folder / f"{name}.py"
    file.write_text(text)
    return file


async def test_a_warm_parent_serves_the_next_run_of_its_entrypoint(
    bench: Bench, tmp_path: Path
) -> None:
    file = write(tmp_path, "one")
    assert await bench.finish(file) is await bench.finish(file)
    assert bench.ends == {1: 0, 2: 0}


async def test_a_changed_module_beside_the_entrypoint_needs_a_new_parent(
    bench: Bench, tmp_path: Path
) -> None:
    beside = write(tmp_path, "beside", "VALUE = 1\n")
    file = write(tmp_path, "one", f"import beside\n{FLOW}")
    first = await bench.finish(file)
    assert str(beside) in dict(first.files or [])
    beside.write_text("VALUE = 22\n")
    assert await bench.finish(file) is not first
    await until(lambda: _gone(first), "the old one ends")


async def _gone(parent: WarmParent) -> bool:
    return parent.gone


async def test_the_parent_that_was_not_used_longest_is_given_up(
    bench: Bench, tmp_path: Path
) -> None:
    one = await bench.finish(write(tmp_path, "a"))
    two = await bench.finish(write(tmp_path, "b"))
    three = await bench.finish(write(tmp_path, "c"))
    await until(lambda: _gone(one), "the first one ends")
    assert not two.gone
    assert not three.gone


async def test_a_parent_that_is_given_up_first_lets_its_runs_end(
    bench: Bench, tmp_path: Path
) -> None:
    file = write(tmp_path, "long", SLEEP)
    job = await bench.launch(file)
    await until(lambda: _pid(bench, job), "its process")
    parent = bench.warm._parents[f"{file}:name"]
    for name in ("a", "b"):
        await bench.finish(write(tmp_path, name))
    assert parent not in bench.warm._parents.values()
    assert not parent.gone
    bench.warm.signal(job, signal.SIGKILL)
    await until(lambda: _gone(parent), "it ends")
    assert bench.ends[job] == -signal.SIGKILL


async def _pid(bench: Bench, job: int) -> int:
    return bench.warm.pid(job)


async def test_a_killed_parent_takes_its_runs_along_and_is_replaced(
    bench: Bench, tmp_path: Path
) -> None:
    file = write(tmp_path, "long", SLEEP)
    job = await bench.launch(file)
    pid = await until(lambda: _pid(bench, job), "its process")
    os.kill(int(process_stat(pid)[1]), signal.SIGKILL)
    await until(lambda: _has(bench.ends, job), "its end")
    assert bench.ends[job] == -signal.SIGKILL
    file.write_text(FLOW)
    await bench.finish(file)


async def test_a_killed_zygote_is_replaced(bench: Bench, tmp_path: Path) -> None:
    file = write(tmp_path, "one")
    await bench.finish(file)
    zygote = bench.warm._zygote._process
    assert zygote is not None
    zygote.kill()
    parent = bench.warm._parents[f"{file}:name"]
    await until(lambda: _gone(parent), "the end of its parents")
    await asyncio.wait([bench.warm._zygote._reader] if bench.warm._zygote._reader else [])
    await bench.finish(file)
    assert bench.ends == {1: 0, 2: 0}


async def test_a_run_whose_module_never_loads_can_be_killed(bench: Bench, tmp_path: Path) -> None:
    job = await bench.launch(write(tmp_path, "made", HANG))
    assert not bench.warm.is_running(job)
    bench.warm.signal(job, signal.SIGTERM)  # nobody is there yet to hear it
    bench.warm.signal(job, signal.SIGKILL)
    await until(lambda: _has(bench.ends, job), "its end")
    assert bench.ends[job] == -signal.SIGKILL
    await bench.finish(write(tmp_path, "other"))


async def test_a_changed_module_in_another_folder_needs_a_new_parent(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("flows", "shared"):
        (tmp_path / folder).mkdir()
    helper = write(tmp_path / "shared", "common_helper", "VALUE = 1\n")
    monkeypatch.setenv("PYTHONPATH", str(helper.parent))
    file = write(tmp_path / "flows", "made", "import common_helper\n" + FLOW)
    first = await bench.finish(file)
    helper.write_text("VALUE = 22\n")
    assert await bench.finish(file) is not first


async def test_a_process_that_is_stopped_is_told_apart(bench: Bench, tmp_path: Path) -> None:
    job = await bench.launch(write(tmp_path, "made", SLEEP))

    async def runs() -> bool:
        return bench.warm.is_running(job)

    async def rests() -> bool:
        return not bench.warm.is_running(job)

    await until(runs, "it runs")
    pid = bench.warm.pid(job)
    os.kill(pid, signal.SIGSTOP)
    await until(rests, "it was stopped")
    os.kill(pid, signal.SIGCONT)
    await until(runs, "it goes on")
    bench.warm.signal(job, signal.SIGKILL)
    await until(lambda: _has(bench.ends, job), "its end")
    assert not bench.warm.is_running(job)


async def test_a_job_that_is_killed_during_an_import_takes_no_other_along(
    bench: Bench, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    waiting = (
        f"import pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\n"
    )
    file = write(tmp_path, "slow", waiting + FLOW)
    killed, other = await bench.launch(file), await bench.launch(file)
    bench.warm.signal(killed, signal.SIGKILL)
    assert bench.ends == {killed: -signal.SIGKILL}
    go.touch()
    later = await bench.launch(file)
    await until(lambda: _has(bench.ends, other), "the end of the other one")
    await until(lambda: _has(bench.ends, later), "the end of the one that came later")
    assert bench.ends == {killed: -signal.SIGKILL, other: 0, later: 0}
