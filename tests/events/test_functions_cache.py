"""The cache, its locks and transactions: bounded, fenced, and free when their holders are gone."""

from __future__ import annotations

import pytest

from tests.events.runs import create, everything, fields
from upshot.events.exceptions import NotFound, StaleEpoch
from upshot.events.store import SyncStore

FAR = 10**15


@pytest.fixture
def store(sync_store: SyncStore) -> SyncStore:
    create(sync_store, "r", kind="Running")
    create(sync_store, "q", kind="Running")
    return sync_store


def litter(store: SyncStore) -> list[bytes]:
    return sorted(store.execute("SMEMBERS", store.keys("litter")))


def test_an_entry_is_found_until_it_expires(store: SyncStore) -> None:
    store.call("cache", 10, "a", "entry", "/a", 0)
    store.call("cache", 10, "b", "other", "/b", 1)
    assert store.call("find_cached", "a") == b"entry"
    while store.call("find_cached", "b"):
        pass
    assert store.call("find_cached", "never") == b""
    assert [store.call("sweep_cache", 10), store.call("sweep_cache", 10)] == [1, 0]
    assert fields(store, "cache") == {"a": "entry"}
    assert litter(store) == [b"file /b"]


def test_a_new_entry_takes_the_place_of_the_old_one_and_its_file(store: SyncStore) -> None:
    store.call("cache", 10, "a", "one", "/1", 0)
    store.call("cache", 10, "a", "two", "", 0)
    store.call("cache", 10, "a", "three", "/3", 0)
    assert fields(store, "cache") == {"a": "three"}
    assert litter(store) == [b"file /1"]  # the second one's file stays with its owner


def test_a_lock_has_one_holder_who_may_ask_again(store: SyncStore) -> None:
    assert store.call("lock", "l", "r", 1, "t") == 1
    assert store.call("lock", "l", "r", 1, "t") == 1
    assert store.call("lock", "l", "r", 1, "u") == 0
    assert store.call("lock", "l", "q", 1, "t") == 0
    assert store.call("sweep_locks") == 0
    assert store.call("unlock", "l", "q", 1, "t") == 0
    assert store.call("unlock", "l", "r", 1, "t") == 1
    assert store.call("lock", "l", "q", 1, "t") == 1


@pytest.mark.parametrize("gone", ["lease", "epoch", "run"])
def test_the_lock_of_who_is_gone_is_free(store: SyncStore, gone: str) -> None:
    store.call("lock", "l", "r", 1, "t")
    if gone == "lease":
        store.execute("ZADD", store.keys("leases"), 1, "r")
    elif gone == "epoch":
        store.execute("HSET", store.keys("run", "r"), "epoch", 2)
    else:
        store.execute("DEL", store.keys("run", "r"))
    if gone == "lease":  # it may be well, and cut off
        assert store.call("lock", "l", "q", 1, "t", 0) == -1
    assert store.call("lock", "l", "q", 1, "t", int(gone == "lease")) == 1
    assert store.call("unlock", "l", "r", 1, "t") == 0
    store.execute("ZREM", store.keys("leases"), "q")
    assert [store.call("sweep_locks"), store.call("sweep_locks")] == [1, 0]


def test_who_was_fenced_locks_notes_and_commits_nothing(store: SyncStore) -> None:
    before = everything(store)
    for call in (
        ("lock", "l", "r", 7, "t"),
        ("note_transaction", "r", 7, "f/set/x", "1"),
        ("enter_stage", "r", 7, "r", "f", "active"),
        ("commit_transaction", "r", 7, "r", "f", "k", "{}", "[]", 10, "a", "entry", "/a", 0),
    ):
        with pytest.raises(StaleEpoch):
            store.call(*call)
    with pytest.raises(NotFound):
        store.call("note_transaction", "nobody", 1, "f/set/x", "1")
    assert everything(store) == before


def test_a_commit_is_one_step(store: SyncStore) -> None:
    store.call("enter_stage", "r", 1, "r", "f", "active", "f/set/x", "1")
    assert fields(store, "open", "r") == {"r": "1"}
    entries = ("a", "1", "/a", 0, "b", "2", "/b", 0, "c", "3", "/c", 0)
    store.call("commit_transaction", "r", 1, "r", "f", "k", "{}", '["/d"]', 2, *entries)
    assert fields(store, "transactions", "r") == {"f": "committed", "f/set/x": "1"}
    assert fields(store, "committed") == {"k": "{}"}
    assert set(fields(store, "cache")) < {"a", "b", "c"}
    assert len(litter(store)) == 1
    assert set(fields(store, "held")) > {"/d"}
    assert store.execute("EXISTS", store.keys("open"), store.keys("open", "r")) == 0
    store.call("commit_transaction", "r", 1, "r", "g", "", "{}", "[]", 2)
    assert fields(store, "committed") == {"k": "{}"}


def test_the_files_of_a_forgotten_run_are_litter(sync_store: SyncStore) -> None:
    create(sync_store, "r", kind="Completed")
    sync_store.execute("SADD", sync_store.keys("files", "r"), "/results", "s3://there")
    sync_store.call("enter_stage", "r", 1, "r", "f", "active")
    assert sync_store.call("forget_runs", FAR, 10) == 1
    assert litter(sync_store) == [b"run /results/r", b"run s3://there/r"]
    gone = [("transactions", "r"), ("files", "r"), ("open", "r"), ("open",)]
    assert sync_store.execute("EXISTS", *(sync_store.keys(*parts) for parts in gone)) == 0


def test_open_transactions_are_counted_once_however_often_it_is_said(store: SyncStore) -> None:
    stages = [("f", "active"), ("f", "active"), ("g", "active"), ("f", "rolling-back")]
    for transaction, stage in stages:
        store.call("enter_stage", "r", 1, "whole", transaction, stage)
    assert fields(store, "open", "whole") == {"r": "2"}
    assert store.execute("SMEMBERS", store.keys("open")) == [b"whole"]
    for transaction in ("f", "f", "g"):
        store.call("enter_stage", "r", 1, "whole", transaction, "rolled-back")
    assert store.execute("EXISTS", store.keys("open"), store.keys("open", "whole")) == 0


def test_a_task_that_completed_may_be_undone_and_no_more(store: SyncStore) -> None:
    store.call("record_tasks", "r", 1, 1, "t", "Completed", "{}", "{}")
    undone = '{"state":"RolledBack"}'
    store.call("record_tasks", "r", 1, 2, "t", "Completed", '{"undone":1}', undone)
    assert fields(store, "tasks", "r") == {"t": 'Completed {"undone":1}'}
