"""Kills flow processes, and the store, at random moments of a long flow, and looks at what it left.

Two runs are under way at a time and share a cache. After each kill it is noted what the store
knows to be done, and how often its bodies ran until then: that may never change.
"""

from __future__ import annotations

import math
import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from tests.flows.child import Child
from upshot.events.embedded import EmbeddedStore
from upshot.events.exceptions import StoreUnavailable
from upshot.events.store import SyncStore
from upshot.flows.runs.flowrun import FlowRun, new_run, parse_run
from upshot.flows.runs.transitions import create_arguments, transition_arguments
from upshot.flows.states import State

from .long_flow import EXPECTED, ITEMS, STEPS

_LEASE_MS = 2_000
_FLOW = f"{Path(__file__).with_name('long_flow.py')}:long_flow"


@dataclass
class Outcome:
    """What was found.

    Attributes:
        kills: of flow processes, and of the store. problems: what did not hold.
    """

    kills: int = 0
    store_kills: int = 0
    runs: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass
class Killed:
    """One run and what is known of it.

    Attributes:
        group: runs of one group share what is cached.
        settled: body → how often it had run when the store knew it to be done for good.
    """

    run: FlowRun
    name: str
    group: int
    process: Child | None = None
    settled: Counter[str] = field(default_factory=Counter)

    def kill(self) -> None:
        """Kill its process, unless that has ended."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.end()


class Killing:
    """Kills until it is enough, then lets all runs come to their ends."""

    def __init__(self, folder: Path, kills: int, seed: int, *, store_too: bool) -> None:
        self._folder, self._most, self._store_too = folder, kills, store_too
        self._random = random.Random(seed)
        self._notes = folder / "notes"
        self._notes.touch()
        self._embedded = EmbeddedStore(folder / "data")
        self.outcome = Outcome()

    def __call__(self) -> Outcome:
        os.environ["UPSHOT_DATA_DIR"] = str(self._folder / "data")
        self._embedded.start()
        self._store = SyncStore(self._embedded.url)
        self._store.load_functions()
        pair: list[Killed] = []
        try:
            pair += [self._begin(), self._begin()]
            while self.outcome.kills < self._most:
                pair = [self._replaced(one) for one in pair]
                time.sleep(self._random.uniform(0.02, 0.6))
                if self._store_too and self._random.random() < 0.1:
                    self._kill_store()
                else:
                    self._kill(self._random.choice(pair))
            for one in pair:
                self._bring_to_end(one)
            self._look_at_locks()
        finally:
            for one in pair:
                one.kill()
            self._store.close()
            self._embedded.stop()
        return self.outcome

    def _begin(self) -> Killed:
        name, group = f"run{self.outcome.runs}", self.outcome.runs // 2
        self.outcome.runs += 1
        run = new_run(
            "long-flow", state=State("Scheduled"), entrypoint=_FLOW, pool="p", name=name,
            parameters={"run": name, "group": group},
        )  # fmt: skip
        self._store.call("create_run", *create_arguments(run))
        killed = Killed(run, name, group)
        self._start(killed)
        return killed

    def _start(self, one: Killed) -> None:
        taken = self._change(one.run.id, State("Pending"))
        errors = self._folder / f"{one.name}-{taken.epoch}.errors"
        arguments = (self._store.url, taken.id, str(taken.epoch), str(_LEASE_MS))
        one.process = Child(errors, *arguments)

    def _read(self, run_id: str) -> FlowRun:
        return parse_run(self._store.execute("HGETALL", self._store.keys("run", run_id)))

    def _change(self, run_id: str, state: State) -> FlowRun:
        arguments = transition_arguments(self._read(run_id), state, own=False, lease_ms=_LEASE_MS)
        self._store.call("transition", *arguments)
        return self._read(run_id)

    def _replaced(self, one: Killed) -> Killed:
        """Return the run, or a new one where it has come to its end."""
        if not self._read(one.run.id).state.ended:
            return one
        self._bring_to_end(one)
        return self._begin()

    def _kill(self, one: Killed) -> None:
        one.kill()
        self.outcome.kills += 1
        if self._read(one.run.id).state.ended:
            return  # it was through just before
        self._change(one.run.id, State("Crashed", "killed"))
        self._note_settled(one)
        self._change(one.run.id, State("AwaitingRetry"))
        self._start(one)

    def _kill_store(self) -> None:
        assert self._embedded.pid is not None
        os.kill(self._embedded.pid, signal.SIGKILL)
        self.outcome.store_kills += 1
        deadline = time.monotonic() + 30
        while True:
            try:
                self._embedded.start()
                self._store.execute("PING")
                return
            except StoreUnavailable:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def _bodies(self) -> Counter[str]:
        return Counter(self._notes.read_text().splitlines())

    def _note_settled(self, one: Killed) -> None:
        """Note how often each body ran that is known to be done for good, or check it."""
        ran = self._bodies()
        for body in self._known(one):
            before = one.settled.setdefault(body, ran[body])
            if ran[body] != before or not before:
                self._say(one, f"{body} ran {ran[body]} times, {before} when it was done")

    def _known(self, one: Killed) -> list[str]:
        """Return the bodies that the store knows to be done: tasks, and hooks of transactions."""
        tasks = self._store.execute("HVALS", self._store.keys("tasks", one.run.id))
        records = [from_json(value.partition(b" ")[2]) for value in tasks]
        done = [record for record in records if record["state"]["name"] == "Completed"]
        squares = _results(done, "item")  # of their numbers
        known = [f"item {one.name}-{math.isqrt(square)}" for square in squares]
        known += [f"shared {one.group}-{number}" for number in _results(done, "shared")]
        noted = self._store.execute("HKEYS", self._store.keys("transactions", one.run.id))
        fields = {field.decode() for field in noted}
        for transaction, text in self._set_names(one):
            for hook, kind in (("on_commit", "commit"), ("on_rollback", "undo")):
                if f"{transaction}/{hook}/0" in fields:
                    known.append(f"{kind} {text}")
        return known

    def _set_names(self, one: Killed) -> list[tuple[str, str]]:
        key = self._store.keys("transactions", one.run.id)
        return [
            (name.partition("/")[0], from_json(value))
            for name, value in _pairs(self._store.execute("HGETALL", key))
            if name.endswith("/set/name")
        ]

    def _bring_to_end(self, one: Killed) -> None:
        assert one.process is not None
        one.process.end()
        run = self._read(one.run.id)
        if run.state.name != "Completed" or run.result != EXPECTED:
            self._say(one, f"it is {run.state}, with {run.result}")
        self._note_settled(one)
        self._look_at_steps(one)

    def _look_at_steps(self, one: Killed) -> None:
        """Check that the first block was committed, and what the second did was undone."""
        ran = self._bodies()
        steps = [body.removeprefix("step ") for body in ran if body.startswith("step ")]
        for step in steps:
            if step.startswith(f"{one.name}-undone-") and not ran[f"undo {step}"]:
                self._say(one, f"{step} is not undone")
            if step.startswith(f"{one.name}-kept-") and not ran[f"commit {step}"]:
                self._say(one, f"{step} is not committed")
            if step.startswith(f"{one.name}-kept-") and ran[f"undo {step}"]:
                self._say(one, f"{step} is undone")
        for block in ("kept", "undone"):
            if sum(step.startswith(f"{one.name}-{block}-") for step in steps) < STEPS:
                self._say(one, f"not every step of the block that is {block} ran")
        if sum(ran[f"item {one.name}-{number}"] > 0 for number in range(ITEMS)) != ITEMS:
            self._say(one, "not every item ran")

    def _look_at_locks(self) -> None:
        """Check that who came to an end let go of all, and that what the killed had is free."""
        for name, holder in _pairs(self._store.execute("HGETALL", self._store.keys("locks"))):
            run, epoch, _ = holder.split("/")
            if self._read(run).epoch == int(epoch):
                self.outcome.problems.append(f"lock {name} was never let go of by {holder}")
        self._store.call("sweep_locks")
        for command, key in (("HLEN", "locks"), ("ZCARD", "leases")):
            if left := self._store.execute(command, self._store.keys(key)):
                self.outcome.problems.append(f"{left} {key} are left")

    def _say(self, one: Killed, what: str) -> None:
        self.outcome.problems.append(f"{one.name}: {what}")


def _pairs(fields: dict[bytes, bytes]) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode()) for name, value in fields.items()]


def _results(records: list[dict[str, Any]], task: str) -> list[int]:
    return [record["result"] for record in records if record["task"] == task]


def undergo(folder: Path, kills: int, seed: int, *, store_too: bool = False) -> Outcome:
    """Kill so many flow processes, and now and then the store; return what was found."""
    return Killing(folder, kills, seed, store_too=store_too)()
