"""Runs killed in their transactions, and while they are undone, again and again, are all undone."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import from_json

from tests.flows.child import Child
from upshot.events.embedded import EmbeddedStore
from upshot.events.store import Store, SyncStore
from upshot.flows.runs.flowrun import FlowRun, new_run, parse_run
from upshot.flows.runs.registry import Runs
from upshot.flows.runs.transitions import create_arguments, transition_arguments
from upshot.flows.states import State
from upshot.services.endings import Loss, settle

_FLOW = f"{Path(__file__).with_name('open_flow.py')}:open_flow"
_LEASE_MS = 5_000


class Undoing:
    """One run: killed at a random moment, then undone by processes that are killed, too.

    Attributes:
        kills: of processes that undid.
    """

    def __init__(self, url: str, folder: Path, seed: int) -> None:
        self._url, self._store, self._random = url, SyncStore(url), random.Random(seed)
        self._folder, self._notes = folder, folder / f"notes-{seed}"
        self._notes.touch()
        self.kills = 0

    def __call__(self, most: int) -> list[str]:
        """Return what did not hold.

        Args:
            most: kills while it is undone.
        """
        run = new_run(
            "open-flow", state=State("Scheduled"), entrypoint=_FLOW, pool="p",
            parameters={"notes": str(self._notes)},
        )  # fmt: skip
        self._store.call("create_run", *create_arguments(run))
        self._process(run, self._random.uniform(0.2, 1.0))
        if self._read(run).state.ended:
            return [f"it ended by itself: {(self._folder / 'errors').read_text()[-2000:]}"]
        done, is_open = self._done(), self._is_open()
        asyncio.run(self._settle(run, ask=is_open))
        while is_open and not self._read(run).state.ended:
            limit = self._random.uniform(0.05, 0.3) if self.kills < most else None
            self._process(run, limit)
            asyncio.run(self._settle(run, ask=False))
        return self._problems(run, done)

    def _process(self, run: FlowRun, seconds: float | None) -> None:
        """Let a process have the run, and kill it after some time."""
        taken = self._read(run)
        pending = transition_arguments(taken, State("Pending"), own=False, lease_ms=_LEASE_MS)
        self._store.execute("ZREM", self._store.keys("due"), run.id)  # no time is waited for
        self._store.call("transition", *pending)
        epoch = str(self._read(run).epoch)
        child = Child(self._folder / "errors", self._url, run.id, epoch, str(_LEASE_MS))
        if seconds is not None:
            time.sleep(seconds)
            with suppress(ProcessLookupError):  # it was through before
                child.send_signal(signal.SIGKILL)
            self.kills += taken.undo is not None
        child.end()

    async def _settle(self, run: FlowRun, *, ask: bool) -> None:
        store = Store(self._url)
        try:
            epoch = self._read(run).epoch
            await settle(store, Runs(store), run.id, epoch, Loss.ENDED, "killed")
            if ask:
                await Runs(store).undo(run.id, "asked for")
        finally:
            await store.close()

    def _read(self, run: FlowRun) -> FlowRun:
        return parse_run(self._store.execute("HGETALL", self._store.keys("run", run.id)))

    def _records(self) -> list[dict[str, Any]]:
        """Return the records of all task runs, also of parts."""
        runs = self._store.execute("ZRANGE", self._store.keys("runs"), 0, -1)
        keys = [self._store.keys("tasks", run_id.decode()) for run_id in runs]
        stored = [body for key in keys for body in self._store.execute("HVALS", key)]
        return [from_json(body.partition(b" ")[2]) for body in stored]

    def _done(self) -> list[str]:
        """Return by name what the store knows to be done and not committed, newest first."""
        done = [each for each in self._records() if each["state"]["name"] == "Completed"]
        newest = sorted(done, key=lambda each: str(each["ended"]), reverse=True)
        return [str(each["result"]) for each in newest if not self._is_committed(each)]

    def _is_open(self) -> bool:
        return bool(self._store.execute("EXISTS", self._store.keys("open")))

    def _is_committed(self, record: dict[str, Any]) -> bool:
        key = self._store.keys("transactions", record["flow_run"])
        return bool(self._store.execute("HGET", key, record["transaction"]["id"]) == b"committed")

    def _problems(self, run: FlowRun, done: list[str]) -> list[str]:
        notes = self._notes.read_text().splitlines()
        undone = [note.removeprefix("undo ") for note in notes if note.startswith("undo ")]
        begun = Counter(note for note in notes if note.startswith("begin "))
        found = []
        if list(dict.fromkeys(undone)) != done:
            found.append(f"done were {done}, undone {undone}")
        if begun.total() > len(done) + self.kills:
            found.append(f"{self.kills} kills, and hooks were begun {begun}")
        if self._is_open():
            found.append("something is open")
        if done and (state := self._read(run).state).name != "Cancelled":
            found.append(f"it is {state}")
        return found


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSHOT_LOG_LEVEL", "error")


def undergo(folder: Path, rounds: int, seed: int) -> tuple[int, list[str]]:
    """Return how many kills there were while runs were undone, and what did not hold."""
    kills, problems = 0, []
    with EmbeddedStore(folder / "data") as embedded:
        SyncStore(embedded.url).load_functions()
        for number in range(rounds):
            SyncStore(embedded.url).execute("FLUSHDB")
            undoing = Undoing(embedded.url, folder, seed + number)
            problems += [f"seed {seed + number}: {problem}" for problem in undoing(6)]
            kills += undoing.kills
    return kills, problems


def test_runs_killed_a_few_times_while_they_are_undone_are_undone(tmp_path: Path) -> None:
    assert undergo(tmp_path, 2, seed=7)[1] == []


@pytest.mark.chaos
def test_runs_killed_for_long_while_they_are_undone_are_undone(tmp_path: Path) -> None:
    seed = int(time.time())
    kills, problems = undergo(tmp_path, 40, seed)
    print(f"seed {seed}: {kills} kills")
    assert problems == []
    assert kills >= 100
