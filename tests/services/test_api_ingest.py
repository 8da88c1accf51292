"""Events over HTTP: what is taken is durable and once, what is wrong is named and loses nothing."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.services.api_served import Api, served
from upshot.events.log import Log

EVENT = {"event": "order.placed", "resource": {"id": "order.1"}}
EVENTS = "/api/v1/events"
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
async def api(store_url: str) -> AsyncIterator[Api]:
    async with served(store_url, max_body=2_000_000) as running:
        yield running


async def bodies(api: Api) -> list[dict[str, Any]]:
    return [event.body for event in await Log(api.store).range()]


def lines(*events: Any) -> bytes:
    return b"\n".join(json.dumps(event).encode() for event in events)


async def test_one_event_is_accepted_and_in_the_log(api: Api) -> None:
    assert await api.post(EVENTS, 202, json=EVENT) == {"accepted": 1, "duplicates": 0}
    (found,) = await bodies(api)
    assert found["event"] == "order.placed"
    assert found["id"]
    assert found["occurred"]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (json.dumps([EVENT, EVENT, EVENT]).encode(), {}),
        (lines(EVENT, EVENT, EVENT), NDJSON),
        (lines(EVENT, EVENT, EVENT), {"Content-Type": "application/json"}),
        (b"\n" + lines(EVENT, EVENT, EVENT) + b"\r\n\n", NDJSON),
        (gzip.compress(lines(EVENT, EVENT, EVENT)), {**NDJSON, "Content-Encoding": "gzip"}),
    ],
    ids=["array", "ndjson", "ndjson by its looks", "blank lines", "gzip"],
)
async def test_many_events_are_accepted_in_order(
    api: Api, body: bytes, headers: dict[str, str]
) -> None:
    answer = await api.post(EVENTS, 202, data=body, headers=headers)
    assert answer == {"accepted": 3, "duplicates": 0}
    assert await api.logged() == 3


async def test_a_pretty_printed_event_is_one_event(api: Api) -> None:
    answer = await api.post(EVENTS, 202, data=json.dumps(EVENT, indent=2).encode())
    assert answer == {"accepted": 1, "duplicates": 0}


async def test_an_empty_array_is_nothing_to_do(api: Api) -> None:
    assert await api.post(EVENTS, 202, json=[]) == {"accepted": 0, "duplicates": 0}


async def test_more_events_than_one_write_takes_stay_in_order(api: Api) -> None:
    many = [{**EVENT, "payload": {"n": n}} for n in range(2_500)]
    assert (await api.post(EVENTS, 202, data=lines(*many), headers=NDJSON))["accepted"] == 2_500
    found = await Log(api.store).range(limit=5_000)
    assert [event.payload["n"] for event in found] == list(range(2_500))


async def test_an_id_is_accepted_once(api: Api) -> None:
    event = {**EVENT, "id": "mine-1"}
    assert await api.post(EVENTS, 202, json=event) == {"accepted": 1, "duplicates": 0}
    assert await api.post(EVENTS, 202, json=[event, EVENT]) == {"accepted": 1, "duplicates": 1}


async def test_an_idempotency_key_names_events_without_an_id(api: Api) -> None:
    headers = {"Idempotency-Key": "order 1 placed"}
    for expected in ({"accepted": 2, "duplicates": 0}, {"accepted": 0, "duplicates": 2}):
        assert await api.post(EVENTS, 202, json=[EVENT, EVENT], headers=headers) == expected
    assert await api.logged() == 2


async def test_requests_that_come_together_are_each_answered_for_themselves(api: Api) -> None:
    answers = await asyncio.gather(
        *(
            api.post(EVENTS, 202, json=[{**EVENT, "id": f"i{n}"}, {**EVENT, "id": "shared"}])
            for n in range(50)
        )
    )
    assert sum(answer["accepted"] for answer in answers) == 51
    assert sum(answer["duplicates"] for answer in answers) == 49
    assert await api.logged() == 51


def deep(levels: int) -> bytes:
    start = b'{"event":"a.b","resource":{"id":"x"},"payload":{"v":'
    return start + b"[" * levels + b"]" * levels + b"}}"


WRONG: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, "not-json"),
    "blank": (b" \n ", 400, "not-json"),
    "no JSON": (b"hello", 400, "not-json"),
    "not UTF-8": (b'{"event":"a.b","resource":{"id":"\xff"}}', 400, "not-json"),
    "half an object": (b'{"event":"a.b"', 400, "not-json"),
    "two arrays": (b"[][]", 400, "not-json"),
    "a lone surrogate": (
        b'{"event":"a.b","resource":{"id":"\\ud800"}}',
        400,
        "not-json",
    ),
    "a number": (b"1", 422, "invalid-event"),
    "a string": (b'"event"', 422, "invalid-event"),
    "null": (b"null", 422, "invalid-event"),
    "an array in an array": (b"[[]]", 422, "invalid-event"),
    "no resource": (b'{"event":"a.b"}', 422, "invalid-event"),
    "no id": (b'{"event":"a.b","resource":{"name":"x"}}', 422, "invalid-event"),
    "a label that is no string": (b'{"event":"a.b","resource":{"id":1}}', 422, "invalid-event"),
    "a name in upper case": (b'{"event":"A.B","resource":{"id":"x"}}', 422, "invalid-event"),
    "a name with a line break": (b'{"event":"a.b\\n","resource":{"id":"x"}}', 422, "invalid-event"),
    "a key nobody knows": (
        b'{"event":"a.b","resource":{"id":"x"},"paylod":{}}',
        422,
        "invalid-event",
    ),
    "a payload that is no object": (
        b'{"event":"a.b","resource":{"id":"x"},"payload":[]}',
        422,
        "invalid-event",
    ),
    "a time without offset": (
        b'{"event":"a.b","resource":{"id":"x"},"occurred":"2026-01-01T00:00:00"}',
        422,
        "invalid-event",
    ),
    "NaN": (b'{"event":"a.b","resource":{"id":"x"},"payload":{"v":NaN}}', 422, "invalid-event"),
    "too large a number": (
        b'{"event":"a.b","resource":{"id":"x"},"payload":{"v":[1e999]}}',
        422,
        "invalid-event",
    ),
    "nested deeply": (deep(150), 422, "invalid-event"),
    "nested absurdly": (deep(100_000), 400, "not-json"),
    "too large an event": (
        json.dumps({**EVENT, "payload": {"v": "y" * 262_144}}).encode(),
        413,
        "event-too-large",
    ),
    "too many labels": (
        json.dumps({"event": "a.b", "resource": {"id": "x"} | {f"l{n}": "" for n in range(99)}})
        .encode(),
        422,
        "invalid-event",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
async def test_hostile_input_is_refused_with_a_reason_and_nothing_is_taken(
    api: Api, name: str
) -> None:
    body, status, kind = WRONG[name]
    answer = await api.post(EVENTS, status, data=body)
    assert answer["type"] == f"urn:upshot:problem:{kind}"
    assert answer["status"] == status
    assert answer["detail"]
    assert await api.logged() == 0
    await api.post(EVENTS, 202, json=EVENT)


async def test_one_bad_event_names_its_index_and_field_and_takes_none(api: Api) -> None:
    bad = {**EVENT, "resource": {"id": "x", "price": 3}}
    answer = await api.post(EVENTS, 422, data=lines(EVENT, bad, EVENT), headers=NDJSON)
    (error,) = answer["errors"]
    assert error["index"] == 1
    assert error["field"] == "resource.price"
    assert error["message"] == "text is expected; put it in quotes"
    assert await api.logged() == 0


async def test_a_number_that_is_no_json_is_named(api: Api) -> None:
    body = b'{"event":"a.b","resource":{"id":"x"},"payload":{"v":[1,{"w":1e999}]}}'
    answer = await api.post(EVENTS, 422, data=body)
    assert answer["errors"][0]["field"] == "payload.v.1.w"
    assert await api.logged() == 0


async def test_a_line_that_is_no_json_is_named(api: Api) -> None:
    body = lines(EVENT, EVENT) + b"\n{nope}\n" + lines(EVENT)
    answer = await api.post(EVENTS, 400, data=body, headers=NDJSON)
    assert answer["errors"][0]["index"] == 2
    assert "line 3" in answer["detail"]
    assert await api.logged() == 0


async def test_an_event_too_large_names_its_index(api: Api) -> None:
    large = {**EVENT, "payload": {"v": "y" * 300_000}}
    answer = await api.post(EVENTS, 413, json=[EVENT, large])
    assert answer["errors"][0]["index"] == 1
    assert await api.logged() == 0


async def test_a_flood_of_errors_is_cut(api: Api) -> None:
    answer = await api.post(EVENTS, 422, json=[{}] * 500)
    assert len(answer["errors"]) == 20


async def test_a_body_beyond_the_limit_is_refused_by_its_length(api: Api) -> None:
    answer = await api.post(EVENTS, 413, data=b"x" * 2_000_001)
    assert "2,000,000" in answer["detail"]


async def test_a_body_beyond_the_limit_is_refused_though_it_tells_no_length(api: Api) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST {EVENTS} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n".encode()
    )
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    for _ in range(40):  # 2.6 MB, and never an end
        writer.write(chunk)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413")
    writer.close()


async def test_a_gzip_bomb_is_refused(api: Api) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    headers = {"Content-Encoding": "gzip"}
    assert (await api.post(EVENTS, 413, data=bomb, headers=headers))["status"] == 413
    await api.post(EVENTS, 400, data=b"no gzip", headers=headers)
    await api.post(EVENTS, 400, data=gzip.compress(b"[]")[:-4], headers=headers)
    await api.post(EVENTS, 415, data=b"[]", headers={"Content-Encoding": "br"})


async def test_a_full_store_refuses_with_a_time_to_come_back(api: Api) -> None:
    await api.store.execute("CONFIG", "SET", "maxmemory", "1mb")
    try:
        async with api.http.post(api.url + EVENTS, json=EVENT) as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert (await answer.json(content_type=None))["type"].endswith("store-full")
    finally:
        await api.store.execute("CONFIG", "SET", "maxmemory", "0")
    await api.post(EVENTS, 202, json=EVENT)


async def test_unknown_paths_and_methods_are_problems_too(api: Api) -> None:
    assert (await api.get("/api/v1/nothing", 404))["status"] == 404
    assert (await api.ask("PUT", EVENTS, 405))["status"] == 405
