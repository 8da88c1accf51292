"""The engine's commit: all of it or nothing, by the owner only, and each firing once."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import to_json

from tests.events.runs import bodies, everything, fields
from upshot.events.exceptions import Conflict, StaleEpoch
from upshot.events.store import Argument, SyncStore


@pytest.fixture
def store(sync_store: SyncStore) -> SyncStore:
    assert sync_store.call("take_lease", "engine", "a", 60_000) == 1
    return sync_store


def flat(pairs: dict[str, Any]) -> list[Argument]:
    return [len(pairs), *(part for pair in pairs.items() for part in pair)]


def commit(
    store: SyncStore,
    start: str = "0-0",
    end: str = "5-0",
    *,
    epoch: int = 1,
    windows: dict[str, str] | None = None,
    definitions: dict[str, str] | None = None,
    counters: dict[str, int] | None = None,
    events: tuple[str, ...] = (),
    firings: tuple[str, ...] = (),
) -> int:
    arguments: list[Argument] = [epoch, start, end, "3-0", 60_000]
    for pairs in (windows, definitions, counters):
        arguments += flat(pairs or {})
    arguments += [len(events), *(to_json({"id": each}) for each in events), len(firings)]
    for each in firings:
        told = [to_json({"id": f"{each}-fired"}), to_json({"id": f"{each}-action"})]
        arguments += [each, "a", 7, f"doc of {each}", f"entry of {each}", len(told), *told]
    made: int = store.call("commit", *arguments)
    return made


def test_when_and_how_often_an_automation_fired_is_known_until_it_is_deleted(
    store: SyncStore,
) -> None:
    commit(store, definitions={"a": "{}"}, firings=("f1", "f2"))
    commit(store, "5-0", "6-0", firings=("f2", "f3"))
    assert fields(store, "engine", "fired") == {"a": "7", "a:n": "3"}
    commit(store, "6-0", "7-0", definitions={"a": ""})
    assert fields(store, "engine", "fired") == {}


def test_a_commit_writes_all_that_it_was_given(store: SyncStore) -> None:
    made = commit(
        store,
        windows={"a/x": "{}", "a/y": "{}"},
        definitions={"a": "{}"},
        counters={"evaluated": 7},
        events=("suppressed",),
        firings=("f1", "f2"),
    )
    assert made == 2
    assert fields(store, "engine") == {"cursor": "5-0"}
    assert fields(store, "cursors") == {"engine": "3-0"}
    assert fields(store, "engine", "windows") == {"a/x": "{}", "a/y": "{}"}
    assert fields(store, "engine", "definitions") == {"a": "{}"}
    assert fields(store, "counters") == {"evaluated": "7", "firings:fired": "2"}
    assert fields(store, "firing", "f1") == {"doc": "doc of f1"}
    assert [body["id"] for body in bodies(store, own_only=True)] == [
        "suppressed",
        "f1-fired",
        "f1-action",
        "f2-fired",
        "f2-action",
    ]
    actions = store.execute("XRANGE", store.keys("actions"), "-", "+")
    assert [entry[1] for entry in actions] == [[b"f", b"entry of f1"], [b"f", b"entry of f2"]]
    assert store.execute("ZRANGE", store.keys("firings"), 0, -1) == [b"f1", b"f2"]


def test_an_empty_value_closes_a_window_and_deletes_a_definition(store: SyncStore) -> None:
    commit(store, windows={"a/x": "{}", "b/x": "{}"}, definitions={"a": "{}", "b": "{}"})
    commit(store, "5-0", "6-0", windows={"a/x": ""}, definitions={"a": ""})
    assert fields(store, "engine", "windows") == {"b/x": "{}"}
    assert fields(store, "engine", "definitions") == {"b": "{}"}


def test_an_owner_that_lost_its_lease_can_commit_nothing(store: SyncStore) -> None:
    store.execute("HSET", store.keys("lease", "engine"), "until", 1)
    assert store.call("take_lease", "engine", "b", 60_000) == 2
    before = everything(store)
    with pytest.raises(StaleEpoch):
        commit(store, epoch=1, windows={"a/x": "{}"}, firings=("f1",))
    assert everything(store) == before


def test_without_any_owner_nobody_can_commit(sync_store: SyncStore) -> None:
    with pytest.raises(StaleEpoch):
        commit(sync_store, epoch=0)
    assert everything(sync_store) == {}


@pytest.mark.parametrize("start", ["0-0", "4-0", "6-0"])
def test_a_commit_from_another_place_than_the_cursor_is_refused(
    store: SyncStore, start: str
) -> None:
    commit(store)
    before = everything(store)
    with pytest.raises(Conflict):
        commit(store, start, "7-0", windows={"a/x": "{}"}, firings=("f1",))
    assert everything(store) == before


def test_a_firing_that_is_there_already_is_left_alone(store: SyncStore) -> None:
    commit(store, firings=("f1",))
    store.execute("HSET", store.keys("firing", "f1"), "0", "outcome")
    assert commit(store, "5-0", "6-0", firings=("f1", "f2")) == 1
    assert fields(store, "firing", "f1") == {"doc": "doc of f1", "0": "outcome"}
    assert store.execute("XLEN", store.keys("actions")) == 2
    assert len(bodies(store)) == 4
    assert fields(store, "counters")["firings:fired"] == "2"


def test_committing_renews_the_lease(store: SyncStore) -> None:
    store.execute("HSET", store.keys("lease", "engine"), "until", 1)
    commit(store)
    assert store.call("take_lease", "engine", "b", 60_000) == 0


def test_without_memory_the_engine_still_commits(store: SyncStore) -> None:
    store.execute("CONFIG", "SET", "maxmemory", 1)
    try:
        assert commit(store, windows={"a/x": "{}"}, firings=("f1",)) == 1
    finally:
        store.execute("CONFIG", "SET", "maxmemory", 0)
