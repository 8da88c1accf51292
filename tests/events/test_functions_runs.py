"""Runs change by one function only: legally, once, by whom may, and with all that follows."""

from __future__ import annotations

import itertools

import pytest

from tests.events.runs import (
    FAR,
    KINDS,
    LEASE,
    LEASED,
    bodies,
    check_consistent,
    create,
    everything,
    fields,
    members,
    move,
    queued,
    told,
)
from upshot.events.exceptions import (
    Conflict,
    IllegalTransition,
    NotFound,
    StaleEpoch,
)
from upshot.events.store import SyncStore
from upshot.flows.states import ENDED, LEGAL, StateType

PAIRS = list(itertools.product(StateType, StateType))


def test_the_store_allows_exactly_the_transitions_that_the_states_know(
    sync_store: SyncStore,
) -> None:
    for start, end in PAIRS:
        run = f"{start.value}-{end.value}"
        create(sync_store, run, start.value)
        if end in LEGAL[start]:
            assert move(sync_store, end.value, 1, run=run)[0] == 2
        else:
            with pytest.raises(IllegalTransition, match=f"is {start.value} and can not become"):
                move(sync_store, end.value, 1, run=run)
        check_consistent(sync_store, run)


def test_a_worker_that_takes_a_run_is_done_with_the_entry_and_keeps_it_where_it_can_not(
    sync_store: SyncStore,
) -> None:
    create(sync_store)
    ((entry, _),) = sync_store.execute("XRANGE", sync_store.keys("queue", "p"), "-", "+")
    event = ("r-2", told("r", "Pending", "r-2"), "state", "Pending")
    with pytest.raises(Conflict):
        sync_store.call("take_run", "p", entry, "r", 7, "", "Pending", 0, LEASE, 0, *event)
    assert queued(sync_store) == ["r"]
    for _ in range(2):  # sent again, it is answered again
        taken = sync_store.call("take_run", "p", entry, "r", 1, "", "Pending", 0, LEASE, 0, *event)
        assert taken == [2, 2]
        assert queued(sync_store) == []
    check_consistent(sync_store)


def test_a_state_that_does_not_exist_is_illegal(sync_store: SyncStore) -> None:
    with pytest.raises(IllegalTransition):
        create(sync_store, "new", "Dreaming")
    create(sync_store)
    with pytest.raises(IllegalTransition):
        move(sync_store, "Dreaming", 1)
    assert len(bodies(sync_store)) == 1


def test_creating_a_run_again_changes_nothing(sync_store: SyncStore) -> None:
    assert create(sync_store) == [1, 1, 1]
    move(sync_store, "Pending", 1)
    before = everything(sync_store)
    assert create(sync_store) == [0, 2, 2]
    assert everything(sync_store) == before


def test_a_run_that_is_not_there_can_not_change(sync_store: SyncStore) -> None:
    with pytest.raises(NotFound):
        move(sync_store, "Running", 1)
    assert everything(sync_store) == {}


@pytest.mark.parametrize("version", [0, 1, 3])
def test_a_change_from_another_version_is_a_conflict(sync_store: SyncStore, version: int) -> None:
    create(sync_store)
    move(sync_store, "Pending", 1)
    before = everything(sync_store)
    with pytest.raises(Conflict):
        move(sync_store, "Running", version, event="other")
    assert everything(sync_store) == before


def test_of_two_that_take_a_run_one_gets_it(sync_store: SyncStore) -> None:
    create(sync_store)
    assert move(sync_store, "Pending", 1, event="worker-a") == [2, 2]
    with pytest.raises(Conflict):
        move(sync_store, "Pending", 1, event="worker-b")


def test_the_same_change_again_is_answered_as_the_first_time(sync_store: SyncStore) -> None:
    create(sync_store)
    first = move(sync_store, "Pending", 1)
    before = everything(sync_store)
    assert move(sync_store, "Pending", 1) == first
    assert everything(sync_store) == before


def test_a_process_whose_run_was_taken_over_can_write_nothing(sync_store: SyncStore) -> None:
    create(sync_store)
    [version, epoch] = move(sync_store, "Pending", 1)
    [version, _] = move(sync_store, "Running", version, epoch=epoch)
    [version, _] = move(sync_store, "Crashed", version)
    [version, _] = move(sync_store, "Scheduled", version)
    before = everything(sync_store)
    with pytest.raises(StaleEpoch):
        move(sync_store, "Completed", version, epoch=epoch)
    with pytest.raises(StaleEpoch):
        sync_store.call("record_tasks", "r", epoch, 1, "t", "Running", "{}", "{}")
    with pytest.raises(StaleEpoch):
        sync_store.call("renew_run", "r", epoch, 1000)
    assert everything(sync_store) == before


@pytest.mark.parametrize(
    ("start", "end", "own", "fenced"),
    [
        ("Scheduled", "Pending", False, True),
        ("Pending", "Running", True, False),
        ("Running", "Completed", True, False),
        ("Running", "Crashed", False, True),
        ("Running", "Scheduled", True, True),
        ("Running", "Cancelling", False, False),
        ("Cancelling", "Cancelled", True, False),
        ("Cancelling", "Cancelled", False, True),
        ("Scheduled", "Cancelled", False, False),
        ("Failed", "Scheduled", False, True),
    ],
)
def test_the_epoch_grows_when_a_process_gets_or_loses_its_hold(
    sync_store: SyncStore, start: str, end: str, own: bool, fenced: bool
) -> None:
    create(sync_store, kind=start)
    assert move(sync_store, end, 1, epoch=1 if own else "") == [2, 2 if fenced else 1]


def test_a_scheduled_run_waits_in_its_pools_queue(sync_store: SyncStore) -> None:
    create(sync_store, pool="fast")
    assert queued(sync_store, "fast") == ["r"]
    assert sync_store.execute("SMEMBERS", sync_store.keys("pools")) == [b"fast"]
    assert members(sync_store, "due") == []


def test_a_run_without_a_pool_waits_in_no_queue(sync_store: SyncStore) -> None:
    create(sync_store, pool="")
    assert sync_store.execute("KEYS", "*queue*") == []
    assert sync_store.call("enqueue_due", 10) == [0, -1]


def test_a_run_goes_to_its_queue_when_it_is_due(sync_store: SyncStore) -> None:
    create(sync_store, due=FAR)
    assert queued(sync_store) == []
    [moved, wait] = sync_store.call("enqueue_due", 10)
    assert moved == 0
    assert wait > 10**14
    sync_store.execute("ZADD", sync_store.keys("due"), 1, "r")
    assert sync_store.call("enqueue_due", 10) == [1, -1]
    assert queued(sync_store) == ["r"]
    assert sync_store.call("enqueue_due", 10) == [0, -1]
    check_consistent(sync_store)


def test_due_runs_move_at_most_as_many_as_asked_oldest_first(sync_store: SyncStore) -> None:
    for number in range(5):
        create(sync_store, f"r{number}", due=FAR)
        sync_store.execute("ZADD", sync_store.keys("due"), number + 1, f"r{number}")
    assert sync_store.call("enqueue_due", 3) == [3, 0]
    assert queued(sync_store) == ["r0", "r1", "r2"]


def test_a_run_that_is_due_later_can_not_be_taken(sync_store: SyncStore) -> None:
    """An entry from before its last retry may still be in the queue."""
    create(sync_store)
    move(sync_store, "Scheduled", 1, due=FAR)
    assert queued(sync_store) == ["r"]
    with pytest.raises(Conflict, match="not due"):
        move(sync_store, "Pending", 2)
    move(sync_store, "Scheduled", 2)
    assert move(sync_store, "Pending", 3)[0] == 4


def test_a_run_that_leaves_its_schedule_is_due_no_more(sync_store: SyncStore) -> None:
    create(sync_store, due=FAR)
    move(sync_store, "Cancelled", 1)
    assert members(sync_store, "due") == []
    check_consistent(sync_store)


def test_a_run_is_crashed_from_outside_only_once_its_lease_is_over(sync_store: SyncStore) -> None:
    create(sync_store, kind="Running")
    with pytest.raises(Conflict, match="alive"):
        move(sync_store, "Crashed", 1, lapsed=1)
    sync_store.execute("ZADD", sync_store.keys("leases"), 1, "r")
    sync_store.call("renew_run", "r", 1, 60_000)
    with pytest.raises(Conflict, match="alive"):
        move(sync_store, "Crashed", 1, lapsed=1)
    sync_store.execute("ZADD", sync_store.keys("leases"), 1, "r")
    assert move(sync_store, "Crashed", 1, lapsed=1) == [2, 2]
    assert members(sync_store, "leases") == []


def test_renewing_tells_the_process_what_its_run_is_now(sync_store: SyncStore) -> None:
    create(sync_store, kind="Running")
    assert sync_store.call("renew_run", "r", 1, 1000) == [b"Running", b"1"]
    move(sync_store, "Cancelling", 1)
    assert sync_store.call("renew_run", "r", 1, 1000) == [b"Cancelling", b"2"]
    with pytest.raises(NotFound):
        sync_store.call("renew_run", "unknown", 1, 1000)


def test_renewing_a_run_that_ended_gives_it_no_lease(sync_store: SyncStore) -> None:
    create(sync_store, kind="Running")
    move(sync_store, "Completed", 1, epoch=1)
    assert sync_store.call("renew_run", "r", 1, 1000) == [b"Completed", b"2"]
    assert members(sync_store, "leases") == []


def test_each_entered_state_is_counted_once(sync_store: SyncStore) -> None:
    create(sync_store)
    move(sync_store, "Pending", 1)
    move(sync_store, "Pending", 1)
    move(sync_store, "Running", 2)
    move(sync_store, "Completed", 3)
    counters = fields(sync_store, "counters")
    entered = {key: value for key, value in counters.items() if key.startswith("run_transitions")}
    assert entered == {
        f"run_transitions:flow-run:{kind}": "1"
        for kind in ("Scheduled", "Pending", "Running", "Completed")
    }
    started = sum(
        int(value)
        for key, value in counters.items()
        if key.startswith("~schedule_to_start:") and not key.endswith(":sum")
    )
    assert started == 1


def test_without_memory_what_is_under_way_still_ends(sync_store: SyncStore) -> None:
    create(sync_store)
    sync_store.execute("CONFIG", "SET", "maxmemory", 1)
    try:
        [version, epoch] = move(sync_store, "Pending", 1)
        [version, _] = move(sync_store, "Running", version, epoch=epoch)
        sync_store.call("record_tasks", "r", epoch, 1, "t", "Completed", "{}", "{}")
        sync_store.call("renew_run", "r", epoch, 1000)
        move(sync_store, "Completed", version, epoch=epoch)
        assert create(sync_store, "started-by-an-automation") == [1, 1, 1]
        assert sync_store.call("enqueue_due", 10) == [0, -1]
    finally:
        sync_store.execute("CONFIG", "SET", "maxmemory", 0)
    assert fields(sync_store, "run", "r")["type"] == "Completed"


def test_the_tables_of_this_room_and_of_the_states_name_the_same_states() -> None:
    assert tuple(StateType) == KINDS
    assert not LEASED & {kind.value for kind in ENDED}
