"""What did not come is judged at the time of the log, and never while nobody could speak."""

from __future__ import annotations

import time
from typing import Any

from tests.services.engines import (
    automation,
    defined,
    engine,
    event,
    firings,
    place,
    settled,
)
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.services.definitions.planning import Verb

PAST = (int(time.time()) - 7200) * 1000
"""A moment of the log long ago, in ms."""

SECOND = 1000


async def define(store: Store, ms: int, *automations: dict[str, Any]) -> None:
    """Put automations in force at a moment of the log."""
    for each in automations:
        await place(store, ms, defined(each, each["name"], Verb.CREATED, 1), own=True)


HEARTBEAT = automation(
    "late", posture="Proactive", after=["job.started"], expect=["job.done"], within="10s"
)


async def ended(store: Store) -> list[dict[str, Any]]:
    async with engine(store):
        await settled(store)
        await past_deadlines(store)
    return await firings(store)


async def past_deadlines(store: Store) -> None:
    """Wait until no more is decided than there is: one more event goes all the way."""
    await Log(store).append([event("noise")])
    await settled(store)


async def test_what_did_not_come_in_time_fires_at_its_deadline(store: Store) -> None:
    await define(store, PAST, HEARTBEAT)
    await place(store, PAST + SECOND, event("job.started", "s1"))
    [firing] = await ended(store)
    assert firing["reason"] == "absent"
    assert firing["at"] == PAST + 11 * SECOND
    assert firing["cause"] == "s1"


async def test_what_came_in_time_by_the_log_is_not_absent_however_late_it_is_read(
    store: Store,
) -> None:
    await define(store, PAST, HEARTBEAT)
    await place(store, PAST + SECOND, event("job.started"))
    await place(store, PAST + 9 * SECOND, event("job.done"))
    assert await ended(store) == []


async def test_what_came_too_late_by_the_log_was_absent(store: Store) -> None:
    await define(store, PAST, HEARTBEAT)
    await place(store, PAST + SECOND, event("job.started"))
    await place(store, PAST + 12 * SECOND, event("job.done"))
    assert [each["at"] for each in await ended(store)] == [PAST + 11 * SECOND]


async def test_an_absence_before_a_deletion_is_judged_by_what_was_in_force(store: Store) -> None:
    await define(store, PAST, HEARTBEAT)
    await place(store, PAST + SECOND, event("job.started"))
    await place(store, PAST + 60 * SECOND, defined(None, "late", Verb.DELETED, 2), own=True)
    await place(store, PAST + 61 * SECOND, event("job.started"))
    assert [each["at"] for each in await ended(store)] == [PAST + 11 * SECOND]


async def test_an_absence_that_an_engine_fired_is_not_fired_by_the_next(store: Store) -> None:
    await define(store, PAST, HEARTBEAT)
    await place(store, PAST + SECOND, event("job.started"))
    for _ in range(3):
        assert len(await ended(store)) == 1


async def close(store: Store, start: int, end: int) -> None:
    """Let the log have been closed to outside senders for a while."""
    await store.execute("ZADD", store.keys("gaps"), end, f"{start}-{end}")


async def test_silence_while_nobody_could_speak_is_no_alarm(store: Store) -> None:
    await define(store, PAST, HEARTBEAT)
    await place(store, PAST + SECOND, event("job.started"))
    await close(store, PAST + 5 * SECOND, PAST + 600 * SECOND)
    await place(store, PAST + 604 * SECOND, event("job.done"))
    assert await ended(store) == []


async def test_silence_around_a_closure_adds_up(store: Store) -> None:
    await define(store, PAST, HEARTBEAT)
    await place(store, PAST + SECOND, event("job.started"))
    await close(store, PAST + 5 * SECOND, PAST + 600 * SECOND)
    await place(store, PAST + 607 * SECOND, event("job.done"))
    assert [each["at"] for each in await ended(store)] == [PAST + 606 * SECOND]


async def test_while_the_log_is_closed_nothing_is_absent(store: Store) -> None:
    await define(store, PAST, HEARTBEAT)
    await place(store, PAST + SECOND, event("job.started"))
    await store.execute("SET", store.keys("intake"), PAST + 5 * SECOND)
    async with engine(store):
        await settled(store)
        await past_deadlines(store)
        assert await firings(store) == []
        async with store.client.pubsub() as senders:
            told = event("log.reopened").to_json().replace(b',"follows":null', b"")
            await store.call("hold_open", 1, "x", told.removesuffix(b"{}}"))
            await senders.subscribe(store.keys("intake"))
            await settled(store)
            assert await firings(store) == []


async def test_while_senders_are_connected_but_stopped_nothing_is_absent(store: Store) -> None:
    await define(store, PAST, HEARTBEAT)
    await place(store, PAST + SECOND, event("job.started"))
    await store.execute("SET", store.keys("intake"), PAST + 5 * SECOND)
    async with store.client.pubsub() as senders, engine(store):
        await senders.subscribe(store.keys("intake"))
        await settled(store)
        await past_deadlines(store)
        assert await firings(store) == []
