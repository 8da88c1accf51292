"""Paused runs in the store: with a process or without, awaited until, and woken."""

from __future__ import annotations

import pytest
from pydantic_core import to_json

from tests.events.runs import create, fields, members, move, queued, told
from upshot.events.exceptions import Conflict, NotFound, StaleEpoch
from upshot.events.store import SyncStore


def pause(store: SyncStore, version: int, **waits: object) -> None:
    """Pause the run as its own code does."""
    event = f"r-{version + 1}"
    body = told("r", "Paused", event)
    store.call(
        "transition", "r", version, "", "Paused", 0, 60_000, 0, event, body, "state", "Paused",
        "pause", to_json({"key": "k", **waits}),
    )  # fmt: skip


def waits(store: SyncStore) -> dict[str, str]:
    return fields(store, "waits")


def test_a_run_that_is_paused_before_it_starts_has_no_lease_and_leaves_the_schedule(
    sync_store: SyncStore,
) -> None:
    create(sync_store, due=10**15)
    move(sync_store, "Paused", 1, lease=0)
    assert members(sync_store, "leases") == members(sync_store, "due") == []
    move(sync_store, "Scheduled", 2)
    assert queued(sync_store) == ["r"]


def test_the_process_of_a_paused_run_leaves_and_whoever_read_it_before_reads_it_anew(
    sync_store: SyncStore,
) -> None:
    create(sync_store, kind="Running")
    assert sync_store.call("leave_run", "r", 1, 0) == 0
    pause(sync_store, 1)
    with pytest.raises(StaleEpoch):
        sync_store.call("leave_run", "r", 2, 0)
    assert sync_store.call("leave_run", "r", 1, 1) == 0  # it shows to be alive
    assert sync_store.call("leave_run", "r", 1, 0) == 1
    assert members(sync_store, "leases") == []
    assert sync_store.call("renew_run", "r", 1, 60_000)[0] == b"Paused"
    assert members(sync_store, "leases") == []
    with pytest.raises(Conflict):
        move(sync_store, "Running", 2)
    assert move(sync_store, "Scheduled", 3) == [4, 2]
    with pytest.raises(NotFound):
        sync_store.call("leave_run", "unknown", 1, 0)


def test_what_a_paused_run_waits_for_is_known_until_it_goes_on(sync_store: SyncStore) -> None:
    create(sync_store, kind="Running")
    pause(sync_store, 1, until=5000, awaits={"expect": ["a"]}, since="3-0")
    newest = sync_store.execute("XREVRANGE", sync_store.keys("log"), "+", "-", "COUNT", 1)[0][0]
    assert waits(sync_store) == {"r": newest.decode()}
    assert fields(sync_store, "cursors") == {"waits": "3-0"}
    assert members(sync_store, "pauses") == ["r"]
    move(sync_store, "Running", 2)
    assert waits(sync_store) == {}
    assert members(sync_store, "pauses") == []


def test_a_reader_of_waits_that_is_there_keeps_its_place(sync_store: SyncStore) -> None:
    sync_store.execute("HSET", sync_store.keys("cursors"), "waits", "9-0")
    create(sync_store, kind="Running")
    pause(sync_store, 1, awaits={}, since="3-0")
    assert fields(sync_store, "cursors") == {"waits": "9-0"}


def test_a_process_that_waits_is_woken_and_one_that_is_gone_is_not(sync_store: SyncStore) -> None:
    wake = sync_store.keys("wake", "r")
    create(sync_store, kind="Running")
    pause(sync_store, 1)
    move(sync_store, "Running", 2)
    assert sync_store.execute("LLEN", wake) == 1
    assert 0 < sync_store.execute("TTL", wake) <= 60
    sync_store.execute("DEL", wake)
    pause(sync_store, 3)
    sync_store.call("leave_run", "r", 1, 0)
    move(sync_store, "Scheduled", 5)
    assert sync_store.execute("EXISTS", wake) == 0


def test_where_in_the_log_a_run_was_asked_for_is_kept(sync_store: SyncStore) -> None:
    create(sync_store)
    asked = sync_store.execute("XRANGE", sync_store.keys("log"), "-", "+")[0][0].decode()
    move(sync_store, "Pending", 1)
    move(sync_store, "Running", 2)
    assert fields(sync_store, "run", "r")["began"] == asked


def test_a_run_that_is_paused_in_line_leaves_it(sync_store: SyncStore) -> None:
    body = to_json({"limit": 1, "active": True})
    sync_store.call("put", "limit", "work-pool:p", "", body, "")
    for run in ("r", "s"):
        create(sync_store, run)
    move(sync_store, "Pending", 1, run="s")
    asked = ("r", "", "r/", 1, 0, 1, "p", "{}", '{"payload":', "work-pool:p")
    assert sync_store.call("acquire", *asked) == 0
    move(sync_store, "Paused", 1, lease=0)
    assert members(sync_store, "line", "work-pool:p") == []
