"""When the log was closed to outside senders: each span is kept, and an event tells of it."""

from __future__ import annotations

from tests.events.runs import bodies, members
from upshot.events.store import SyncStore

PREFIX = '{"id":"reopened-1","event":"log.reopened","payload":'


def hold_open(store: SyncStore, *, reopen: bool) -> int:
    now: int = int(store.call("hold_open", int(reopen), "reopened-1", PREFIX))
    return now


def set_mark(store: SyncStore, ms: int) -> None:
    store.execute("SET", store.keys("intake"), ms)


def test_the_first_opening_ends_no_gap(sync_store: SyncStore) -> None:
    now = hold_open(sync_store, reopen=True)
    assert sync_store.execute("GET", sync_store.keys("intake")) == str(now).encode()
    assert members(sync_store, "gaps") == []
    assert bodies(sync_store) == []


def test_staying_open_moves_the_mark_only(sync_store: SyncStore) -> None:
    before = hold_open(sync_store, reopen=True)
    now = hold_open(sync_store, reopen=False)
    assert now >= before
    assert members(sync_store, "gaps") == []


def test_who_was_silent_for_long_though_connected_was_closed(sync_store: SyncStore) -> None:
    set_mark(sync_store, 1000)
    now = hold_open(sync_store, reopen=False)
    assert members(sync_store, "gaps") == [f"1000-{now}"]


def test_an_opening_after_a_closure_keeps_the_span_and_tells_of_it(sync_store: SyncStore) -> None:
    set_mark(sync_store, 1000)
    now = hold_open(sync_store, reopen=True)
    assert members(sync_store, "gaps") == [f"1000-{now}"]
    assert sync_store.execute("ZSCORE", sync_store.keys("gaps"), f"1000-{now}") == now
    [told] = bodies(sync_store, own_only=True)
    assert told["payload"] == {"closed_from": 1000, "closed_until": now}


def test_gaps_stay_in_the_order_in_which_they_ended(sync_store: SyncStore) -> None:
    for mark in (1000, 2000, 3000):
        set_mark(sync_store, mark)
        hold_open(sync_store, reopen=True)
    assert [gap.partition("-")[0] for gap in members(sync_store, "gaps")] == [
        "1000",
        "2000",
        "3000",
    ]


def test_a_clock_that_was_set_back_makes_no_gap(sync_store: SyncStore) -> None:
    set_mark(sync_store, 10**15)
    hold_open(sync_store, reopen=True)
    assert members(sync_store, "gaps") == []


def test_without_memory_the_log_is_still_known_to_be_open(sync_store: SyncStore) -> None:
    set_mark(sync_store, 1000)
    sync_store.execute("CONFIG", "SET", "maxmemory", 1)
    try:
        hold_open(sync_store, reopen=True)
    finally:
        sync_store.execute("CONFIG", "SET", "maxmemory", 0)
    assert len(members(sync_store, "gaps")) == 1
