"""The log: nothing accepted twice, nothing lost, nothing trimmed that somebody still needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from upshot.events.event import MAX_EVENT_BYTES, Event
from upshot.events.exceptions import InvalidEvent, StoreFull
from upshot.events.log import DEDUP_MS, START, Log, milliseconds, order
from upshot.events.store import Store


@pytest.fixture
def log(store: Store) -> Log:
    return Log(store)


@pytest.fixture
async def full(store: Store) -> AsyncIterator[Store]:
    """Return a store whose memory is used up."""
    await store.execute("CONFIG", "SET", "maxmemory", 1)
    yield store
    await store.execute("CONFIG", "SET", "maxmemory", 0)


def event(number: int | str = 0, **fields: object) -> Event:
    return Event.model_validate(
        {"id": f"e{number}", "event": "thing.happened", "resource": {"id": "thing.1"}, **fields}
    )


def ids(events: list[object]) -> list[str]:
    return [each.id for each in events]  # type: ignore[attr-defined]


async def test_what_was_appended_is_read_in_order_as_it_was(log: Log) -> None:
    events = [event(number, payload={"n": number}) for number in range(5)]
    appended = await log.append(events)
    page = await log.read(START)
    assert [each.position for each in page.events] == appended.positions
    assert [Event.model_validate(each.body) for each in page.events] == events
    assert page.cursor == appended.positions[-1]
    assert [each.received for each in page.events] == [
        milliseconds(each.position) for each in page.events
    ]
    assert not any(each.own for each in page.events)


async def test_reading_goes_on_from_the_cursor_page_by_page(log: Log) -> None:
    await log.append(event(number) for number in range(7))
    seen, cursor = [], START
    while (page := await log.read(cursor, limit=3)).events:
        seen += ids(list(page.events))
        cursor = page.cursor
    assert seen == [f"e{number}" for number in range(7)]
    assert (await log.read(cursor)).cursor == cursor


async def test_a_full_page_is_known_up_to_its_last_event_only(log: Log) -> None:
    await log.append(event(number) for number in range(3))
    full = await log.read(START, limit=3)
    assert full.read_until == full.events[-1].received


async def test_whatever_is_appended_after_a_reading_is_not_before_its_time(log: Log) -> None:
    for number in range(50):
        page = await log.read(START, limit=1000)
        [position] = (await log.append([event(number)])).positions
        assert position is not None
        assert milliseconds(position) >= page.read_until


async def test_an_id_is_accepted_once(log: Log, store: Store) -> None:
    first = await log.append([event(1), event(2), event(1)])
    again = await log.append([event(2), event(3)])
    assert (first.accepted, first.duplicates, first.positions[2]) == (2, 1, None)
    assert (again.accepted, again.duplicates, again.positions[0]) == (1, 1, None)
    assert ids(list((await log.read(START)).events)) == ["e1", "e2", "e3"]
    assert await store.execute("HGET", store.keys("counters"), "duplicates") == b"2"


async def test_the_same_id_from_many_senders_at_once_is_accepted_once(log: Log) -> None:
    answers = await asyncio.gather(*(log.append([event("same")]) for _ in range(20)))
    assert sum(answer.accepted for answer in answers) == 1


async def test_events_without_an_id_of_the_senders_are_never_duplicates(log: Log) -> None:
    body = event(1).to_json()
    assert (await log.append_raw([("", body), ("", body)])).accepted == 2
    assert await log.append_raw([]) == await log.append([])


async def age_seen(store: Store, by_ms: int) -> None:
    """Make the present dedup period begin earlier."""
    since = int(await store.execute("GET", store.keys("seen", "since")))
    await store.execute("SET", store.keys("seen", "since"), since - by_ms)


async def test_an_id_is_remembered_for_the_whole_period_and_forgotten_after_two(
    log: Log, store: Store
) -> None:
    await log.append([event("kept")])
    await age_seen(store, DEDUP_MS)
    assert (await log.append([event("kept")])).duplicates == 1
    await age_seen(store, DEDUP_MS - 1000)
    assert (await log.append([event("kept")])).duplicates == 1
    await age_seen(store, 1000)
    assert (await log.append([event("kept")])).accepted == 1


async def test_a_duplicate_does_not_prolong_what_is_remembered(log: Log, store: Store) -> None:
    """Or a sender that repeats itself would fill the memory for ever."""
    await log.append([event("old")])
    await age_seen(store, DEDUP_MS)
    await log.append([event("old"), event("new")])
    assert await store.execute("SMEMBERS", store.keys("seen")) == [b"enew"]
    assert await store.execute("SMEMBERS", store.keys("seen", "old")) == [b"eold"]


async def test_a_short_period_rotates_by_itself(store: Store) -> None:
    log = Log(store, dedup_ms=1)
    await log.append([event("a")])
    for number in range(3):
        await asyncio.sleep(0.002)
        await log.append([event(f"turn-{number}")])
    assert (await log.append([event("a")])).accepted == 1


async def test_one_event_too_large_leaves_none_appended(log: Log) -> None:
    large = event(2, payload={"x": "y" * MAX_EVENT_BYTES})
    with pytest.raises(InvalidEvent):
        await log.append([event(1), large])
    assert await log.end() == START


async def test_without_memory_outside_events_are_refused_whole(log: Log, full: Store) -> None:
    with pytest.raises(StoreFull):
        await log.append([event(1)])
    await full.execute("CONFIG", "SET", "maxmemory", 0)
    assert await log.end() == START
    assert (await log.append([event(1)])).accepted == 1


async def test_without_memory_the_log_can_still_be_read_and_trimmed(log: Log, store: Store) -> None:
    await log.append([event(1)])
    await log.register("engine", await log.end())
    await store.execute("CONFIG", "SET", "maxmemory", 1)
    try:
        assert ids(list((await log.read(START)).events)) == ["e1"]
        assert await log.trim(0) == 0
    finally:
        await store.execute("CONFIG", "SET", "maxmemory", 0)


async def test_waiting_ends_with_what_comes(log: Log) -> None:
    waiting = asyncio.create_task(log.wait(START, 10_000))
    await log.append([event(1)])
    assert ids(list(await waiting)) == ["e1"]


async def test_waiting_in_vain_ends_with_nothing(log: Log) -> None:
    assert await log.wait(START, 5) == []
    assert await log.wait(START, 0) == []


async def test_a_tail_begins_now_or_at_a_cursor_and_goes_on(log: Log, store: Store) -> None:
    await log.append([event(0)])
    tail = log.tail(START, poll_ms=10)
    assert (await anext(tail)).id == "e0"
    await log.append([event(1), event(2)])
    assert [(await anext(tail)).id, (await anext(tail)).id] == ["e1", "e2"]
    news = asyncio.ensure_future(anext(log.tail(poll_ms=10_000)))
    while b"blocked_clients:1" not in await store.execute("INFO", "clients"):  # noqa: ASYNC110 - the server is asked
        await asyncio.sleep(0.001)
    await log.append([event(3)])
    assert (await news).id == "e3"


async def test_ranges_run_both_ways_and_exclude_where_asked(log: Log) -> None:
    positions = (await log.append(event(number) for number in range(4))).positions
    first, last = str(positions[0]), str(positions[3])
    assert ids(list(await log.range(first, last))) == ["e0", "e1", "e2", "e3"]
    assert ids(list(await log.range(f"({first}", f"({last}"))) == ["e1", "e2"]
    assert ids(list(await log.range(limit=2, newest_first=True))) == ["e3", "e2"]


async def test_fetching_gives_what_is_still_there(log: Log) -> None:
    positions = (await log.append(event(number) for number in range(3))).positions
    wanted = [str(positions[2]), "1-1", str(positions[0])]
    assert ids(list(await log.fetch(wanted))) == ["e2", "e0"]
    assert await log.fetch([]) == []


async def test_positions_sort_as_the_log_has_them() -> None:
    assert sorted(["10-0", "9-10", "9-9"], key=order) == ["9-9", "9-10", "10-0"]


@pytest.fixture
async def nodes(store: Store) -> AsyncIterator[Store]:
    """Return a store that keeps one entry a node: trimming drops whole nodes only."""
    await store.execute("CONFIG", "SET", "stream-node-max-entries", 1)
    yield store
    await store.execute("CONFIG", "SET", "stream-node-max-entries", 100)


async def fill(log: Log, count: int = 1000) -> list[str]:
    positions = (await log.append(event(number) for number in range(count))).positions
    await asyncio.sleep(0.002)  # so that "older than now" includes them all
    return [str(position) for position in positions]


async def test_nothing_is_trimmed_before_an_engine_has_read(log: Log, nodes: Store) -> None:
    await fill(log)
    assert await log.trim(0) == 0
    await log.register("archiver", await log.end())
    assert await log.trim(0) == 0


async def test_nothing_is_trimmed_that_a_registered_consumer_has_not_read(
    log: Log, nodes: Store
) -> None:
    positions = await fill(log)
    await log.register("engine", positions[700])
    await log.register("archiver", positions[300])
    assert await log.trim(0) == 300
    assert ids(list((await log.read(START, limit=1)).events)) == ["e300"]
    await log.register("archiver", positions[-1])
    assert await log.trim(0) == 400
    assert ids(list((await log.read(START, limit=1)).events)) == ["e700"]


async def test_cursors_within_one_millisecond_are_compared_by_sequence(
    log: Log, nodes: Store
) -> None:
    body = event(1).to_json()
    for sequence in range(12):
        await nodes.execute("XADD", nodes.keys("log"), f"5-{sequence}", "e", body)
    await log.register("engine", "5-10")
    await log.register("archiver", "5-9")
    assert await log.trim(0) == 9


async def test_what_all_have_read_stays_for_as_long_as_events_are_kept(
    log: Log, nodes: Store
) -> None:
    await fill(log)
    await log.register("engine", await log.end())
    assert await log.trim(3_600_000) == 0
    assert await log.trim(10**15) == 0


async def test_one_trimming_drops_no_more_than_its_limit(log: Log, nodes: Store) -> None:
    await fill(log)
    await log.register("engine", await log.end())
    assert 0 < await log.trim(0, limit=100) <= 100
