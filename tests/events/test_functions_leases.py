"""Leases: one owner at a time, and epochs that only grow."""

from __future__ import annotations

import threading

from tests.events.runs import fields
from upshot.events.store import SyncStore

LONG = 60_000


def take(store: SyncStore, owner: str, ttl_ms: int = LONG) -> int:
    epoch: int = store.call("take_lease", "engine", owner, ttl_ms)
    return epoch


def run_out(store: SyncStore) -> None:
    """Let the lease be over."""
    store.execute("HSET", store.keys("lease", "engine"), "until", 1)


def test_one_owner_holds_a_lease_until_it_runs_out(sync_store: SyncStore) -> None:
    assert take(sync_store, "a") == 1
    assert take(sync_store, "b") == 0
    run_out(sync_store)
    assert take(sync_store, "b") == 2
    assert take(sync_store, "a") == 0


def test_renewing_keeps_the_epoch_even_when_nobody_came_in_between(sync_store: SyncStore) -> None:
    assert take(sync_store, "a") == 1
    assert take(sync_store, "a") == 1
    run_out(sync_store)
    assert take(sync_store, "a") == 1
    assert take(sync_store, "b") == 0


def test_a_lease_that_was_given_up_is_free_at_once(sync_store: SyncStore) -> None:
    take(sync_store, "a")
    assert sync_store.call("drop_lease", "engine", "a", 1) == 1
    assert take(sync_store, "b") == 2


def test_nobody_gives_up_what_is_anothers(sync_store: SyncStore) -> None:
    take(sync_store, "a")
    assert sync_store.call("drop_lease", "engine", "b", 1) == 0
    assert sync_store.call("drop_lease", "engine", "a", 2) == 0
    run_out(sync_store)
    take(sync_store, "b")
    assert sync_store.call("drop_lease", "engine", "a", 1) == 0
    assert take(sync_store, "c") == 0


def test_an_old_owner_that_gets_it_back_has_a_new_epoch(sync_store: SyncStore) -> None:
    for expected, owner in enumerate(["a", "b", "a", "b"], start=1):
        assert take(sync_store, owner) == expected
        run_out(sync_store)


def test_leases_of_different_names_are_independent(sync_store: SyncStore) -> None:
    assert take(sync_store, "a") == 1
    assert sync_store.call("take_lease", "scheduler", "b", LONG) == 1


def test_of_many_that_ask_at_once_one_gets_it(sync_store: SyncStore) -> None:
    epochs: list[int] = []
    threads = [
        threading.Thread(target=lambda name=f"o{n}": epochs.append(take(sync_store, name)))
        for n in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(epochs) == [0] * 9 + [1]


def test_only_a_lease_that_ran_out_counts_as_lost(sync_store: SyncStore) -> None:
    take(sync_store, "a")
    sync_store.call("drop_lease", "engine", "a", 1)
    take(sync_store, "b")
    assert "leases_lost" not in fields(sync_store, "counters")
    run_out(sync_store)
    take(sync_store, "c")
    assert fields(sync_store, "counters")["leases_lost"] == "1"


def test_without_memory_leases_still_pass_on(sync_store: SyncStore) -> None:
    sync_store.execute("CONFIG", "SET", "maxmemory", 1)
    try:
        assert take(sync_store, "a") == 1
        assert sync_store.call("drop_lease", "engine", "a", 1) == 1
        assert take(sync_store, "b") == 2
    finally:
        sync_store.execute("CONFIG", "SET", "maxmemory", 0)
