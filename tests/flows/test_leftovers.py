"""Files of results stay as long as a run, the cache or a committed key needs them; no longer."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from upshot.events.store import Store
from upshot.flows.states import State
from upshot.services.scheduler.litter import Litter

from .conftest import Processes

FAR = 10**15

FLOWS = """
import os, signal, time
from pathlib import Path
from upshot import INPUTS, flow, task, transaction
here = Path(__file__).parent

def note(word):
    with open(here / "told", "a") as file:
        file.write(word + "\\n")

def die():
    if (here / "die").exists():
        (here / "die").unlink()
        time.sleep(0.1)  # for what was done to be written
        os.kill(os.getpid(), signal.SIGKILL)

@task(cache_policy=INPUTS, cache_expiration=3600)
def cached(n: int) -> str:
    note(f"cached {n}")
    return "x" * 100_000

@task
def large(n: int) -> str:
    note(f"large {n}")
    return "y" * 100_000

@task
def gate() -> None:
    if not (here / "go").exists():
        raise ValueError("not yet")

@flow
def caches() -> None:
    cached(1)
    gate()

@flow
def keyed(overwrite: bool = False) -> None:
    with transaction(key="once", overwrite=overwrite):
        large(1)
        cached(2)
        die()
    gate()

@flow
def undone() -> None:
    with transaction():
        cached(3)
        gate()
"""


class Kept:
    """The files of results, and what happens to them in time."""

    def __init__(self, processes: Processes, store: Store, folder: Path) -> None:
        self.processes, self.store, self.folder = processes, store, folder
        self.module = processes.module(FLOWS)
        self._litter = Litter(store, FAR)

    def run(self, flow: str, **parameters: bool) -> str:
        run, _ = self.processes.execute(f"{self.module}:{flow}", parameters=parameters)
        return run.id

    def there(self) -> list[str]:
        """Return the folders of the files that are there."""
        found = (self.folder / "data" / "results").rglob("*.json")
        return sorted(path.parent.name for path in found)

    def told(self) -> list[str]:
        return (self.folder / "told").read_text().split("\n")[:-1]

    async def sweep(self) -> list[str]:
        await self._litter.sweep()
        assert await self.store.execute("SCARD", self.store.keys("litter")) == 0
        return self.there()

    async def expire(self) -> None:
        """Let all that is cached have expired."""
        key = self.store.keys("cache", "until")
        for name in await self.store.execute("ZRANGE", key, 0, -1):
            await self.store.execute("ZADD", key, 1, name)

    async def forget(self) -> None:
        """Let the time of all ended runs be over."""
        while await self.store.call("forget_runs", FAR, 10):
            pass


@pytest.fixture
async def kept(processes: Processes, store: Store, tmp_path: Path) -> Kept:
    return Kept(processes, store, tmp_path)


async def test_a_cached_file_stays_for_the_run_that_made_it_and_goes_with_it(kept: Kept) -> None:
    run = kept.run("caches")
    await kept.expire()
    assert await kept.sweep() == ["cache"]
    (kept.folder / "go").touch()
    assert kept.processes.retry(run).state.name == "Completed"
    assert kept.told() == ["cached 1"]
    await kept.forget()
    assert await kept.sweep() == []


async def test_a_cached_file_stays_for_a_run_that_found_it(kept: Kept) -> None:
    (kept.folder / "go").touch()
    kept.run("caches")
    (kept.folder / "go").unlink()
    second = kept.run("caches")
    key = kept.store.keys("runs", "Failed")
    await kept.store.execute("ZADD", key, FAR, second)  # it is the younger one
    assert await kept.store.call("forget_runs", FAR - 1, 10) == 1
    await kept.expire()
    assert await kept.sweep() == ["cache"]
    (kept.folder / "go").touch()
    assert kept.processes.retry(second).state.name == "Completed"
    assert kept.told() == ["cached 1"]
    await kept.forget()
    assert await kept.sweep() == []


async def test_what_is_undone_is_removed_at_once(kept: Kept) -> None:
    kept.run("undone")
    assert await kept.sweep() == []


async def test_what_a_killed_process_left_goes_with_its_run(kept: Kept) -> None:
    (kept.folder / "die").touch()
    run = kept.processes.create(f"{kept.module}:keyed")
    assert kept.processes.go(run.id) == -signal.SIGKILL
    kept.processes.change(run.id, State("Crashed", "killed"))
    assert await kept.sweep() == ["cache", "transactions"]
    await kept.forget()
    assert await kept.sweep() == []
    stored = await kept.store.execute("KEYS", "*")
    left = {key.decode().partition("}:")[2].partition(":")[0] for key in stored}
    assert left.isdisjoint({"holds", "held", "open", "transactions", "tasks", "files"})


async def test_files_of_a_committed_key_stay_until_the_key_goes(kept: Kept) -> None:
    (kept.folder / "go").touch()
    kept.run("keyed")
    await kept.expire()
    await kept.forget()
    assert await kept.sweep() == ["cache", "transactions"]
    kept.run("keyed")
    assert kept.told() == ["large 1", "cached 2"]
    kept.run("keyed", overwrite=True)
    assert len(await kept.sweep()) == 4  # runs that tell of the older ones are still there
    await kept.forget()
    await kept.expire()
    assert await kept.sweep() == ["cache", "transactions"]
    used = kept.store.keys("committed", "used")
    await kept.store.execute("ZADD", used, 1, "once")
    await Litter(kept.store, 1).sweep()
    assert kept.there() == []
    kept.run("keyed")
    assert kept.told() == 3 * ["large 1", "cached 2"]
