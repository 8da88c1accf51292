"""A firing that is replaced begins nothing more; what an action changes, it changes once."""

from __future__ import annotations

from tests.events.runs import bodies, fields
from tests.events.test_functions_actions import add, store
from upshot.events.store import SyncStore

__all__ = ["store"]


def test_actions_begin_until_the_firing_is_replaced(sync_store: SyncStore) -> None:
    sync_store.execute("HSET", sync_store.keys("firing", "f"), "doc", "{}")
    assert sync_store.call("begin", "f", 0) == b""
    assert sync_store.call("begin", "f", 1) == b""
    flat = sync_store.call("replace", "f", "g")
    told = dict(zip(flat[::2], flat[1::2], strict=True))
    assert told == {b"doc": b"{}", b"under": b"1", b"replaced": b"g"}
    assert sync_store.call("begin", "f", 2) == b"g"
    assert fields(sync_store, "firing", "f")["under"] == "1"


def test_the_first_replacement_stays(sync_store: SyncStore) -> None:
    sync_store.execute("HSET", sync_store.keys("firing", "f"), "doc", "{}")
    sync_store.call("replace", "f", "g")
    sync_store.call("replace", "f", "h")
    assert fields(sync_store, "firing", "f")["replaced"] == "g"


def test_a_firing_that_is_not_there_is_not_made(sync_store: SyncStore) -> None:
    assert sync_store.call("replace", "f", "g") == []
    assert fields(sync_store, "firing", "f") == {}


def test_what_is_put_aside_is_not_under_way(store: SyncStore) -> None:
    store.call("begin", "f", 3)
    store.call("park", add(store), "later", 0, "f")
    assert fields(store, "firing", "f") == {}


def test_what_an_action_puts_it_puts_once(sync_store: SyncStore) -> None:
    change = ("variable", "a", 0, "1", '{"id": "told"}')
    assert sync_store.call("put_once", "f", 0, *change) == [1]
    assert sync_store.call("put_once", "f", 0, *change) == []
    assert sync_store.call("put_once", "f", 1, "variable", "a", 1, "2", '{"id": "again"}') == [2]
    assert fields(sync_store, "docs", "variable") == {"a": "2 2"}
    assert [body["id"] for body in bodies(sync_store)] == ["told", "again"]
    assert fields(sync_store, "firing", "f") == {"put:0": "1", "put:1": "1"}
