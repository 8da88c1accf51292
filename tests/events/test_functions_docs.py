"""Definitions change all together or not at all, each with its event."""

from __future__ import annotations

import pytest
from pydantic_core import from_json, to_json

from tests.events.runs import bodies, everything, fields
from upshot.events.exceptions import Conflict, StoreFull
from upshot.events.store import Argument, SyncStore


def change(name: str, expected: Argument, doc: str, kind: str = "automation") -> list[Argument]:
    return [kind, name, expected, doc, to_json({"of": name, "doc": doc})]


def test_each_change_raises_its_version_and_is_told(sync_store: SyncStore) -> None:
    assert sync_store.call("put", *change("a", 0, "1"), *change("b", "", "1")) == [1, 1]
    assert sync_store.call("put", *change("a", 1, "2"), *change("c", 0, "1", "webhook")) == [2, 1]
    assert fields(sync_store, "docs", "automation") == {"a": "2 2", "b": "1 1"}
    assert fields(sync_store, "docs", "webhook") == {"c": "1 1"}
    assert [body["of"] for body in bodies(sync_store, own_only=True)] == ["a", "b", "a", "c"]


@pytest.mark.parametrize("expected", [0, 2, 99])
def test_one_conflict_leaves_everything_as_it_was(sync_store: SyncStore, expected: int) -> None:
    sync_store.call("put", *change("a", 0, "1"))
    before = everything(sync_store)
    with pytest.raises(Conflict, match="automation a is at version 1"):
        sync_store.call("put", *change("new", 0, "1"), *change("a", expected, "2"))
    assert everything(sync_store) == before


def test_deleting_is_a_change_with_an_event(sync_store: SyncStore) -> None:
    sync_store.call("put", *change("a", 0, "1"), *change("b", 0, "1"))
    with pytest.raises(Conflict):
        sync_store.call("put", *change("a", 7, ""))
    sync_store.call("put", *change("a", 1, ""))
    assert fields(sync_store, "docs", "automation") == {"b": "1 1"}
    assert bodies(sync_store)[-1] == {"of": "a", "doc": ""}
    with pytest.raises(Conflict, match="at version 2"):
        sync_store.call("put", *change("a", 1, "2"))


def test_a_name_that_comes_back_goes_on_counting(sync_store: SyncStore) -> None:
    sync_store.call("put", *change("a", 0, "1"))
    sync_store.call("put", *change("a", 1, ""))
    key = sync_store.keys("history", "automation", "a")
    assert 0 < sync_store.execute("PTTL", key) <= 30 * 86_400_000
    assert sync_store.call("put", *change("a", 2, "3")) == [3]
    assert sync_store.execute("PTTL", key) == -1
    kept = [line.split(b" ", 2) for line in sync_store.execute("LRANGE", key, 0, -1)]
    assert [(int(version), from_json(event)["doc"]) for version, _, event in kept] == [
        (3, "3"),
        (2, ""),
        (1, "1"),
    ]


def test_the_history_keeps_the_newest_versions(sync_store: SyncStore) -> None:
    for version in range(60):
        sync_store.call("put", *change("a", version, str(version + 1)))
    kept = sync_store.execute("LRANGE", sync_store.keys("history", "automation", "a"), 0, -1)
    assert [int(line.split(b" ")[0]) for line in kept] == list(range(60, 10, -1))


def test_a_definition_may_hold_any_text(sync_store: SyncStore) -> None:
    doc = '{"a": "1 2\\n\u00e4"}'
    sync_store.call("put", *change("name with spaces", 0, doc))
    assert fields(sync_store, "docs", "automation") == {"name with spaces": f"1 {doc}"}


def test_without_memory_no_definition_is_changed(sync_store: SyncStore) -> None:
    sync_store.execute("CONFIG", "SET", "maxmemory", 1)
    try:
        with pytest.raises(StoreFull):
            sync_store.call("put", *change("a", 0, "1"))
    finally:
        sync_store.execute("CONFIG", "SET", "maxmemory", 0)
    assert everything(sync_store) == {}
