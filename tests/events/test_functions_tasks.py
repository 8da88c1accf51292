"""Task runs are written in batches: each batch whole, once, and by the run's own process only."""

from __future__ import annotations

import pytest
from pydantic_core import to_json

from tests.events.runs import bodies, create, everything, fields
from upshot.events.exceptions import IllegalTransition, NotFound
from upshot.events.store import Argument, SyncStore


@pytest.fixture
def store(sync_store: SyncStore) -> SyncStore:
    create(sync_store, kind="Running")
    return sync_store


def record(store: SyncStore, batch: int, *tasks: tuple[str, str], epoch: int = 1) -> int:
    flat: list[Argument] = []
    for task, kind in tasks:
        flat += [task, kind, to_json({"kind": kind}), to_json({"task": task, "kind": kind})]
    written: int = store.call("record_tasks", "r", epoch, batch, *flat)
    return written


def events_of_tasks(store: SyncStore) -> list[tuple[str, str]]:
    return [(body["task"], body["kind"]) for body in bodies(store) if "task" in body]


def test_a_batch_writes_each_state_with_its_event_in_order(store: SyncStore) -> None:
    steps = [("a", "Pending"), ("b", "Pending"), ("a", "Running"), ("a", "Completed")]
    assert record(store, 1, *steps) == 4
    assert events_of_tasks(store) == steps
    assert fields(store, "tasks", "r") == {
        "a": 'Completed {"kind":"Completed"}',
        "b": 'Pending {"kind":"Pending"}',
    }
    counters = fields(store, "counters")
    assert counters["run_transitions:task-run:Pending"] == "2"
    assert counters["run_transitions:task-run:Completed"] == "1"


def test_a_batch_that_comes_again_is_not_written_again(store: SyncStore) -> None:
    record(store, 1, ("a", "Running"))
    record(store, 2, ("a", "Running"))
    before = everything(store)
    assert record(store, 2, ("a", "Running")) == 0
    assert everything(store) == before


def test_a_batch_that_comes_after_a_later_one_is_not_written_again(store: SyncStore) -> None:
    """A copy of it may have waited in the buffer of a connection that was given up."""
    record(store, 9, ("a", "Running"))
    record(store, 10, ("a", "Running"))
    assert record(store, 9, ("a", "Running")) == 0
    assert len(events_of_tasks(store)) == 2


def test_numbers_begin_anew_with_another_epoch(store: SyncStore) -> None:
    record(store, 7, ("a", "Running"))
    store.execute("HSET", store.keys("run", "r"), "epoch", 2)
    assert record(store, 1, ("a", "Completed"), epoch=2) == 1


@pytest.mark.parametrize(
    "tasks",
    [
        [("a", "Running"), ("b", "Completed"), ("b", "Running")],
        [("a", "Running"), ("done", "Running")],
        [("a", "Running"), ("b", "Dreaming")],
    ],
)
def test_one_illegal_state_leaves_the_whole_batch_unwritten(
    store: SyncStore, tasks: list[tuple[str, str]]
) -> None:
    record(store, 1, ("done", "Completed"))
    before = everything(store)
    with pytest.raises(IllegalTransition):
        record(store, 2, *tasks)
    assert everything(store) == before
    assert record(store, 2, ("a", "Running")) == 1


def test_tasks_of_a_run_that_is_not_there_are_refused(store: SyncStore) -> None:
    with pytest.raises(NotFound):
        store.call("record_tasks", "unknown", 1, 1, "a", "Running", "{}", "{}")


def test_log_lines_and_events_go_in_their_place_in_the_batch(store: SyncStore) -> None:
    said = to_json({"id": "mine", "task": "-", "kind": "said"})
    batch: list[Argument] = ["a", "Running", "{}", to_json({"task": "a", "kind": "Running"})]
    batch += ["", "event", "mine", said, "", "log", "", "a line"]
    store.call("record_tasks", "r", 1, 1, *batch)
    assert events_of_tasks(store) == [("a", "Running"), ("-", "said")]
    [[_, line]] = store.execute("XRANGE", store.keys("logs", "r"), "-", "+")
    assert line == [b"l", b"a line"]
    assert set(fields(store, "tasks", "r")) == {"a"}


def test_an_event_that_a_flow_emits_is_accepted_once_and_is_not_upshots_own(
    store: SyncStore,
) -> None:
    """Or any flow could define automations."""
    body = to_json({"id": "mine", "event": "automation.created"})
    for batch in (1, 2):
        store.call("record_tasks", "r", 1, batch, "", "event", "mine", body)
    assert len([each for each in bodies(store) if each.get("id") == "mine"]) == 1
    assert not [each for each in bodies(store, own_only=True) if each.get("id") == "mine"]
    assert fields(store, "counters")["duplicates"] == "1"


def test_a_record_that_a_later_one_replaces_need_not_be_kept(store: SyncStore) -> None:
    batch: list[Argument] = ["a", "Running", "", to_json({"task": "a", "kind": "Running"})]
    batch += ["a", "Completed", "{}", to_json({"task": "a", "kind": "Completed"})]
    store.call("record_tasks", "r", 1, 1, *batch)
    assert fields(store, "tasks", "r") == {"a": "Completed {}"}
    assert events_of_tasks(store) == [("a", "Running"), ("a", "Completed")]
