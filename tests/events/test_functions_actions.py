"""Actions: each outcome once and with its event; nothing put aside or given up gets lost."""

from __future__ import annotations

import pytest
from pydantic_core import to_json

from tests.events.runs import bodies, everything, fields, members
from upshot.events.exceptions import StoreFull
from upshot.events.store import SyncStore

DONE = to_json({"id": "succeeded"})
GROUP = "dispatchers"


@pytest.fixture
def store(sync_store: SyncStore) -> SyncStore:
    stream = sync_store.keys("actions")
    sync_store.execute("XGROUP", "CREATE", stream, GROUP, "0", "MKSTREAM")
    return sync_store


def add(store: SyncStore, body: str = "entry") -> str:
    """Put an entry into the actions stream and have a dispatcher take it."""
    store.execute("XADD", store.keys("actions"), "*", "f", body)
    options = ("GROUP", GROUP, "me", "COUNT", 1, "STREAMS", store.keys("actions"), ">")
    answer = store.execute("XREADGROUP", *options)
    identity: bytes = next(iter(answer.values()))[0][0]
    return identity.decode()


def actions(store: SyncStore) -> list[str]:
    return [
        entry[1][1].decode() for entry in store.execute("XRANGE", store.keys("actions"), "-", "+")
    ]


def pending(store: SyncStore) -> int:
    count: int = store.execute("XPENDING", store.keys("actions"), GROUP)[0]
    return count


def bury(store: SyncStore, entry: str, *, firing: str = "f", index: int = 0, rest: str = "") -> str:
    arguments = (entry, firing, index, "failed", "letter", rest, 1, DONE, "actions:x:dead", 1)
    letter: bytes = store.call("bury", *arguments)
    return letter.decode()


def letters(store: SyncStore) -> list[str]:
    return [
        entry[0].decode() for entry in store.execute("XRANGE", store.keys("dead-letters"), "-", "+")
    ]


def test_an_outcome_is_written_once_with_its_event_and_its_counts(store: SyncStore) -> None:
    entry = add(store)
    settled = (entry, "f", 0, "ok", 1, DONE, 2, "actions:notify:ok", 1, "~event_to_action", "7.5")
    assert store.call("settle", *settled) == 1
    before = everything(store)
    assert store.call("settle", *settled) == 0
    assert everything(store) == before
    assert fields(store, "firing", "f") == {"0": "ok"}
    assert [body["id"] for body in bodies(store, own_only=True)] == ["succeeded"]
    counters = fields(store, "counters")
    assert counters == {
        "actions:notify:ok": "1",
        "~event_to_action:10": "1",
        "~event_to_action:sum": "7.5",
    }
    assert (actions(store), pending(store)) == ([], 0)


def test_several_outcomes_are_written_in_one_call(store: SyncStore) -> None:
    entry = add(store)
    first = ("", "f", 0, "ok", 1, DONE, 1, "n", 1)
    second = (entry, "f", 1, "skipped", 0, 0)
    third = ("", "g", 0, "ok", 2, DONE, DONE, 0)
    assert store.call("settle", *first, *second, *third) == 3
    assert fields(store, "firing", "f") == {"0": "ok", "1": "skipped"}
    assert fields(store, "firing", "g") == {"0": "ok"}
    assert len(bodies(store)) == 3
    assert (actions(store), pending(store)) == ([], 0)


def test_an_entry_with_actions_to_come_stays(store: SyncStore) -> None:
    add(store)
    store.call("settle", "", "f", 0, "ok", 0, 0)
    assert (actions(store), pending(store)) == (["entry"], 1)


def test_a_parked_entry_comes_back_when_its_time_has_come(store: SyncStore) -> None:
    assert store.call("park", add(store), "later", 0) == 1
    assert (actions(store), pending(store)) == ([], 0)
    assert store.call("unpark", 10) == [1, -1]
    assert actions(store) == ["later"]
    assert fields(store, "parked") == {}
    assert members(store, "later") == []


def test_a_parked_entry_stays_until_then(store: SyncStore) -> None:
    store.call("park", add(store), "much later", 3_600_000)
    [moved, wait] = store.call("unpark", 10)
    assert moved == 0
    assert 3_000_000 < wait <= 3_600_000
    assert actions(store) == []


def test_an_entry_that_somebody_else_has_done_is_not_parked(store: SyncStore) -> None:
    entry = add(store)
    store.call("settle", entry, "f", 0, "ok", 0, 0)
    assert store.call("park", entry, "later", 0) == 0
    assert store.call("unpark", 10) == [0, -1]


def test_parked_entries_come_back_at_most_as_many_as_asked(store: SyncStore) -> None:
    for number in range(3):
        store.call("park", add(store), f"p{number}", 0)
    [moved, wait] = store.call("unpark", 2)
    assert (moved, wait) == (2, 0)
    assert store.call("unpark", 2) == [1, -1]
    assert sorted(actions(store)) == ["p0", "p1", "p2"]


def test_a_buried_action_lies_where_people_see_it_and_the_rest_goes_on(store: SyncStore) -> None:
    letter = bury(store, add(store), rest="actions after it")
    assert letters(store) == [letter]
    assert fields(store, "firing", "f") == {"0": "failed"}
    assert actions(store) == ["actions after it"]
    assert pending(store) == 0
    assert fields(store, "counters") == {"actions:x:dead": "1"}
    assert len(bodies(store, own_only=True)) == 1


def test_burying_again_changes_nothing(store: SyncStore) -> None:
    entry = add(store)
    bury(store, entry, rest="rest")
    before = everything(store)
    assert bury(store, entry, rest="rest") == ""
    assert everything(store) == before


def test_burying_what_another_one_did_still_hands_on_the_rest(store: SyncStore) -> None:
    """Two dispatchers may have the entry: one does an action and dies, the other fails."""
    entry = add(store)
    store.call("settle", "", "f", 0, "ok", 0, 0)
    assert bury(store, entry, rest="actions after it") == ""
    assert fields(store, "firing", "f") == {"0": "ok"}
    assert letters(store) == []
    assert (actions(store), pending(store)) == (["actions after it"], 0)


def test_an_entry_that_nobody_can_read_is_buried_without_a_firing(store: SyncStore) -> None:
    letter = bury(store, add(store), firing="")
    assert letters(store) == [letter]
    assert fields(store, "firing", "") == {}
    assert (actions(store), pending(store)) == ([], 0)


def test_replaying_a_letter_makes_its_action_possible_again_once(store: SyncStore) -> None:
    letter = bury(store, add(store))
    again = (letter, "the entry anew", "f", 0, to_json({"id": "replayed"}))
    assert store.call("replay", *again) == 1
    assert actions(store) == ["the entry anew"]
    assert fields(store, "firing", "f") == {}
    assert letters(store) == []
    before = everything(store)
    assert store.call("replay", *again) == 0
    assert everything(store) == before


def test_without_memory_actions_end_but_none_is_replayed(store: SyncStore) -> None:
    entries = [add(store, str(number)) for number in range(3)]
    store.execute("CONFIG", "SET", "maxmemory", 1)
    try:
        assert store.call("settle", entries[0], "f", 0, "ok", 1, DONE, 0) == 1
        assert store.call("park", entries[1], "later", 0) == 1
        assert store.call("unpark", 10) == [1, -1]
        letter = bury(store, entries[2], firing="g")
        before = everything(store)
        with pytest.raises(StoreFull):
            store.call("replay", letter, "entry", "g", 0, DONE)
        assert everything(store) == before
    finally:
        store.execute("CONFIG", "SET", "maxmemory", 0)


def test_what_nobody_finished_goes_to_the_end_of_its_stream(store: SyncStore) -> None:
    entry = add(store, "first")
    add(store, "second")
    assert store.call("redeliver", "actions", GROUP, entry, "f", "first") == 1
    assert actions(store) == ["second", "first"]
    assert pending(store) == 1
    assert store.call("redeliver", "actions", GROUP, entry, "f", "first") == 0
    assert actions(store) == ["second", "first"]


@pytest.mark.parametrize(
    ("ms", "bucket"),
    [("0.2", "1"), ("1", "1"), ("1.01", "2.5"), ("60000", "60000"), ("60001", "inf")],
)
def test_a_duration_falls_into_the_bucket_of_its_upper_bound(
    store: SyncStore, ms: str, bucket: str
) -> None:
    store.call("settle", "", "f", 0, "ok", 0, 1, "~d", ms)
    assert fields(store, "counters")[f"~d:{bucket}"] == "1"


def test_the_outcome_of_an_action_whose_firing_is_forgotten_goes_by_itself(
    store: SyncStore,
) -> None:
    """As happens where a dead letter is replayed late: nothing else would ever remove it."""
    store.execute("HSET", store.keys("firing", "known"), "doc", "{}")
    for firing in ("known", "forgotten"):
        store.call("settle", "", firing, 0, b"{}", 0, 0)
        store.call("bury", "", firing, 1, b"{}", b"{}", b"", 0)
    assert store.execute("TTL", store.keys("firing", "known")) == -1
    assert 0 < store.execute("TTL", store.keys("firing", "forgotten")) <= 86_400
