"""Events out: lists, newest first, and the stream that many follow at the price of one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.services.api_served import Api, served
from upshot.events.event import Event
from upshot.events.log import Log

EVENTS = "/api/v1/events"


async def fill(api: Api, count: int, name: str = "order.placed") -> None:
    await Log(api.store).append(
        Event(event=name, resource={"id": f"order.{n}"}, payload={"n": n}) for n in range(count)
    )


async def listed(api: Api, **query: Any) -> list[dict[str, Any]]:
    """Return all items over all pages; what a stalled machine adds, a closed log, left out."""
    found, cursor = [], None
    while True:
        page = await api.get(EVENTS, params=query | ({"cursor": cursor} if cursor else {}))
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            return [item for item in found if item["event"] != "log.reopened"]


async def test_events_come_newest_first_with_their_place_in_the_log(api: Api) -> None:
    await fill(api, 3)
    items = await listed(api)
    assert [item["payload"]["n"] for item in items] == [2, 1, 0]
    assert items[0]["position"].partition("-")[0].isdigit()
    assert items[0]["received"].endswith("Z")


async def test_pages_together_are_the_whole_log(api: Api) -> None:
    await fill(api, 25)
    assert [item["payload"]["n"] for item in await listed(api, limit=10)] == list(range(24, -1, -1))


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"event": "order.placed"}, 5),
        ({"event": "order.*"}, 8),
        ({"event": "order.placed,user.*"}, 7),
        ({"event": "order"}, 0),
        ({"resource": "order.1"}, 3),
        ({"resource": "order.*", "event": "user.created"}, 2),
        ({"since": "1h"}, 10),
        ({"until": "1h"}, 0),
        ({"since": "2020-01-01T00:00:00+00:00", "until": "2999-01-01"}, 10),
    ],
)
async def test_filters_select(api: Api, query: dict[str, str], count: int) -> None:
    await fill(api, 5)
    await fill(api, 3, "order.paid")
    await fill(api, 2, "user.created")
    assert len(await listed(api, **query)) == count


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-13-01"}, "until"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "1-1; DROP"}, "cursor"),
        ({"limit": "0"}, "limit"),
    ],
)
async def test_a_wrong_query_names_its_parameter(
    api: Api, query: dict[str, str], field: str
) -> None:
    answer = await api.get(EVENTS, 422, params=query)
    assert answer["errors"][0]["field"] == field


async def test_a_rare_event_is_found_far_back(api: Api) -> None:
    await fill(api, 1, "rare.seen")
    await fill(api, 60_000)
    assert len(await listed(api, event="rare.seen")) == 1


@asynccontextmanager
async def following(
    api: Api, last: str | None = None, **query: str
) -> AsyncIterator[aiohttp.StreamReader]:
    headers = {"Last-Event-ID": last} if last else {}
    async with api.http.get(f"{api.url}{EVENTS}/stream", params=query, headers=headers) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        yield answer.content


async def take(stream: aiohttp.StreamReader, count: int) -> list[dict[str, Any]]:
    """Return the data of the next messages, checking that each has its position as id."""
    found: list[dict[str, Any]] = []
    position = ""
    async with asyncio.timeout(20):
        while len(found) < count:
            line = (await stream.readline()).decode().rstrip("\n")
            if line.startswith("id: "):
                position = line.removeprefix("id: ")
            if line.startswith("data: "):
                found.append(json.loads(line.removeprefix("data: ")))
                assert found[-1]["position"] == position
    return found


async def test_a_follower_sees_what_happens_from_now_on(api: Api) -> None:
    await fill(api, 3)
    async with following(api) as stream:
        await fill(api, 2, "user.created")
        assert [each["event"] for each in await take(stream, 2)] == ["user.created"] * 2


async def test_a_follower_goes_on_after_the_last_event_it_saw(api: Api) -> None:
    await fill(api, 1_500)
    seen = (await listed(api))[-10]
    async with following(api, seen["position"], event="order.placed") as stream:
        await fill(api, 5)
        numbers = [each["payload"]["n"] for each in await take(stream, 1_495)]
    assert numbers == [*range(10, 1_500), *range(5)]


async def test_a_follower_sees_only_what_it_asked_for(api: Api) -> None:
    async with following(api, event="user.*", resource="order.1") as stream:
        await fill(api, 3)
        await fill(api, 3, "user.created")
        (event,) = await take(stream, 1)
        assert (event["event"], event["resource"]["id"]) == ("user.created", "order.1")


async def test_a_hundred_followers_cost_the_store_one_client(api: Api) -> None:
    async def blocked() -> int:
        clients = (await api.store.execute("CLIENT", "LIST")).decode()
        return sum("cmd=xread" in line for line in clients.splitlines())

    await fill(api, 1)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        many = Api(api.url, http, api.store)

        async def follow_one() -> list[dict[str, Any]]:
            async with following(many) as stream:
                ready.release()
                return await take(stream, 50)

        ready = asyncio.Semaphore(0)
        followers = [asyncio.create_task(follow_one()) for _ in range(100)]
        for _ in followers:
            await ready.acquire()
        assert await blocked() == 1
        await fill(api, 50)
        for numbers in await asyncio.gather(*followers):
            assert [each["payload"]["n"] for each in numbers] == list(range(50))


async def test_followers_end_when_the_service_does(store_url: str) -> None:
    async with served(store_url) as api, api.http.get(f"{api.url}{EVENTS}/stream") as answer:
        reading = asyncio.create_task(answer.content.read())
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await asyncio.gather(reading, api.stop())
