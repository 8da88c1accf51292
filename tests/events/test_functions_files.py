"""Files of results: one becomes litter with the last that holds it, and never before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from upshot.events.exceptions import StaleEpoch
from upshot.events.ids import new_id
from upshot.events.store import SyncStore
from upshot.flows.runs.flowrun import new_run
from upshot.flows.runs.transitions import create_arguments, transition_arguments
from upshot.flows.states import State

FAR = 10**15
RUNS, NAMES = st.integers(0, 2), st.sampled_from("ab")
STEPS = st.one_of(
    st.tuples(st.just("write"), RUNS),
    st.tuples(st.just("cache"), RUNS, NAMES),
    st.tuples(st.just("find"), RUNS, NAMES),
    st.tuples(st.just("commit"), RUNS, NAMES),
    st.tuples(st.just("give"), RUNS, NAMES),
    st.tuples(st.just("undo"), RUNS),
    st.tuples(st.just("expire"), NAMES),
    st.tuples(st.just("disuse"), NAMES),
    st.tuples(st.just("forget"), RUNS),
)


class Model:
    """Who holds which file, next to a store that is told the same."""

    def __init__(self, store: SyncStore) -> None:
        self.store = store
        self.runs: dict[int, str] = {}
        self.held: dict[str, set[str]] = {}
        self.cached: dict[str, str] = {}
        self.committed: dict[str, list[str]] = {}

    def run(self, number: int) -> str:
        """Return a run that goes on, a new one where that was forgotten."""
        if number not in self.runs:
            run = new_run("f", state=State("Running"))
            self.store.call("create_run", *create_arguments(run, lease_ms=60_000))
            self.runs[number] = run.id
        return self.runs[number]

    def files_of(self, holder: str) -> list[str]:
        return [path for path, holders in self.held.items() if holder in holders]

    def drop(self, holder: str) -> None:
        for holders in self.held.values():
            holders.discard(holder)

    def write(self, number: int) -> None:
        run, path = self.run(number), f"/results/cache/{new_id()}.json"
        assert self.store.call("hold_file", run, 1, path, 1) == 1
        self.held[path] = {run}

    def cache(self, number: int, name: str) -> None:
        for path in self.files_of(self.run(number))[-1:]:
            self.store.call("cache", 100, name, path, path, 0)
            self.drop(f"cache {name}")
            self.held[path].add(f"cache {name}")
            self.cached[name] = path

    def find(self, number: int, name: str) -> None:
        if name in self.cached:
            self._find(self.run(number), self.cached[name])

    def give(self, number: int, name: str) -> None:
        if name in self.committed:
            assert self.store.call("find_committed", name)
        for path in self.committed.get(name, []):
            self._find(self.run(number), path)

    def _find(self, run: str, path: str) -> None:
        assert self.store.call("hold_file", run, 1, path, 0) == 1
        self.held[path].add(run)

    def commit(self, number: int, name: str) -> None:
        run = self.run(number)
        files = self.files_of(run)[:2]
        self.store.call("commit_transaction", run, 1, run, "t", name, "{}", to_json(files), 100)
        self.drop(f"key {name}")
        for path in files:
            self.held[path].add(f"key {name}")
        self.committed[name] = files

    def undo(self, number: int) -> None:
        run = self.run(number)
        for path in self.files_of(run)[-1:]:
            assert self.store.call("let_go_file", run, 1, path) == 1
            self.held[path].discard(run)

    def expire(self, name: str) -> None:
        if self.cached.pop(name, None):
            self.store.execute("ZADD", self.store.keys("cache", "until"), 1, name)
            assert self.store.call("sweep_cache", 10) == 1
            self.drop(f"cache {name}")

    def disuse(self, name: str) -> None:
        if self.committed.pop(name, None) is not None:
            self.store.execute("ZADD", self.store.keys("committed", "used"), 1, name)
            assert self.store.call("sweep_committed", 1, 10) == 1
            self.drop(f"key {name}")

    def forget(self, number: int) -> None:
        if (run_id := self.runs.pop(number, None)) is None:
            return
        run = new_run("f", state=State("Running"), run_id=run_id)
        self.store.call("transition", *transition_arguments(run, State("Completed"), own=True))
        assert self.store.call("forget_runs", FAR, 10) == 1
        self.drop(run_id)

    def check(self) -> None:
        stored = self.store.execute("SMEMBERS", self.store.keys("litter"))
        free = {path for path, holders in self.held.items() if not holders}
        assert {item.decode() for item in stored} == {f"file {path}" for path in free}
        for path in free:
            assert self.store.call("hold_file", self.run(0), 1, path, 0) == 0
        counts = self.store.execute("HGETALL", self.store.keys("held"))
        expected = {path: len(holders) for path, holders in self.held.items() if holders}
        assert {path.decode(): int(count) for path, count in counts.items()} == expected


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEPS, max_size=40))
def test_a_file_is_litter_once_nobody_holds_it(
    sync_store: SyncStore, steps: list[tuple[Any, ...]]
) -> None:
    sync_store.execute("FLUSHALL")
    model = Model(sync_store)
    for name, *arguments in steps:
        getattr(model, name)(*arguments)
        model.check()
    for number in list(model.runs):
        model.forget(number)
    for name in "ab":
        model.expire(name)
        model.disuse(name)
    left = {*sync_store.execute("KEYS", "*hold*"), *sync_store.execute("KEYS", "*open*")}
    assert {key.decode().partition("}:")[2] for key in left} == set()
    assert sync_store.execute("SCARD", sync_store.keys("litter")) == len(model.held)


def test_keys_of_an_older_version_count_from_when_they_are_first_seen(
    sync_store: SyncStore,
) -> None:
    sync_store.execute("HSET", sync_store.keys("committed"), "old", "{}")
    assert sync_store.call("sweep_committed", FAR // 10**6, 10) == 0
    assert sync_store.execute("ZCARD", sync_store.keys("committed", "used")) == 1
    assert sync_store.call("find_committed", "old") == b"{}"
    assert sync_store.call("sweep_committed", FAR, 10) == 1
    assert sync_store.call("find_committed", "old") == b""
    assert sync_store.execute("EXISTS", sync_store.keys("committed", "used")) == 0


def test_a_process_says_ahead_what_it_will_write(sync_store: SyncStore) -> None:
    run = new_run("f", state=State("Running"))
    sync_store.call("create_run", *create_arguments(run, lease_ms=60_000))
    path = "/results/cache/a.json"
    for batch in (1, 1, 2):
        sync_store.call("record_tasks", run.id, 1, batch, "", "file", "", path)
    assert sync_store.execute("HGET", sync_store.keys("held"), path) == b"1"
    assert sync_store.call("hold_file", run.id, 1, path, 1) == 1
    assert sync_store.call("let_go_file", run.id, 1, path) == 1
    assert sync_store.execute("SMEMBERS", sync_store.keys("litter")) == [b"file " + path.encode()]


def test_a_key_that_is_found_counts_as_used(sync_store: SyncStore) -> None:
    used = sync_store.keys("committed", "used")
    sync_store.execute("HSET", sync_store.keys("committed"), "k", "{}")
    sync_store.execute("ZADD", used, 1, "k")
    sync_store.call("find_committed", "k")
    assert sync_store.call("sweep_committed", 1000, 10) == 0


def test_nobody_but_the_runs_process_holds_files_for_it(sync_store: SyncStore) -> None:
    run = new_run("f", state=State("Running"))
    sync_store.call("create_run", *create_arguments(run, lease_ms=60_000))
    for function, more in (("hold_file", (1,)), ("let_go_file", ())):
        with pytest.raises(StaleEpoch):
            sync_store.call(function, run.id, 2, "/results/cache/a.json", *more)
