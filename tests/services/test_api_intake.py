"""The intake: the log counts as closed exactly while no API was there to take events."""

from __future__ import annotations

import json

from redis.asyncio import Redis

from tests.services.api_served import served
from tests.waiting import until
from upshot.events.embedded import EmbeddedStore
from upshot.events.event import Event
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.services.api.intake import opening


async def reopenings(store: Store) -> list[dict[str, int]]:
    return [event.payload for event in await Log(store).range() if event.name == "log.reopened"]


async def listeners(store: Store) -> int:
    answer = await store.execute("PUBSUB", "NUMSUB", store.keys("intake"))
    return int(next(iter(answer.values())) if isinstance(answer, dict) else answer[1])


def test_the_opening_is_an_event_once_its_payload_is_added() -> None:
    event_id, prefix = opening()
    event = Event.model_validate_json(prefix + b'{"closed_from":1,"closed_until":2}}')
    assert (event.id, event.event, event.payload["closed_until"]) == (event_id, "log.reopened", 2)
    assert list(json.loads(prefix + b"{}}"))[-1] == "payload"


async def test_the_first_start_closes_nothing(store: Store) -> None:
    async with served(store.url):
        assert await listeners(store) == 1
        assert int(await store.execute("GET", store.keys("intake"))) > 0
    assert await listeners(store) == 0
    assert await reopenings(store) == []


async def test_a_span_without_an_api_is_recorded(store: Store) -> None:
    async with served(store.url):
        pass
    closed = int(await store.execute("GET", store.keys("intake")))
    async with served(store.url):
        (gap,) = await reopenings(store)
    assert gap["closed_from"] == closed
    assert gap["closed_until"] >= closed
    assert await store.execute("ZCARD", store.keys("gaps")) == 1


async def test_a_second_api_neither_opens_nor_closes(store: Store) -> None:
    async with served(store.url):
        async with served(store.url):
            assert await listeners(store) == 2
        assert await listeners(store) == 1
    assert await reopenings(store) == []


async def test_the_marker_moves_while_an_api_is_there(store: Store) -> None:
    async with served(store.url):
        first = await store.execute("GET", store.keys("intake"))

        async def moved() -> bool:
            return bool(await store.execute("GET", store.keys("intake")) != first)

        await until(moved)


async def test_a_restart_of_the_store_is_a_closure(embedded: EmbeddedStore, store_url: str) -> None:
    async with served(store_url):
        embedded.stop()
        embedded.start()
        store = Store(store_url)
        try:

            async def back() -> bool:
                return await listeners(store) == 1

            await until(back)
            first, *more = await reopenings(store)
            for each in more:  # whoever had to try twice tells of the rest
                assert each["closed_from"] <= first["closed_until"] <= each["closed_until"]
                first = each
        finally:
            await store.close()


async def test_a_lost_connection_is_made_again(store: Store) -> None:
    async with served(store.url), Redis.from_url(store.url) as client:
        (subscriber,) = await client.client_list(_type="pubsub")
        await client.client_kill_filter(_id=subscriber["id"])

        async def another() -> bool:
            found = await client.client_list(_type="pubsub")
            return bool(found) and found[0]["id"] != subscriber["id"]

        await until(another)
