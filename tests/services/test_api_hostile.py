"""What no sender may do to the API: fill its memory, hold its connections, speak for Upshot."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from tests.services.api_served import Api, served
from upshot.services.api.protocol import LONGEST_HEAD, BoundedProtocol, most_connections

EVENTS = "/api/v1/events"
EVENT = {"event": "a.b", "resource": {"id": "x"}}
RUN = "01a1f871-2071-7044-b784-c923ebb5db4b"


IMPOSTORS = {
    "a run's state": ("flow-run.failed", f"flow-run.{RUN}"),
    "in capitals": ("flow-run.failed", f"flow-run.{RUN.upper()}"),
    "a task run's state": ("task-run.completed", f"task-run.{RUN}"),
    "a definition": ("automation.created", "x"),
    "an action": ("action.succeeded", "x"),
    "a closure of the log": ("log.reopened", "log"),
}


@pytest.mark.parametrize(("name", "resource"), IMPOSTORS.values(), ids=IMPOSTORS.keys())
async def test_nobody_speaks_for_upshot(api: Api, name: str, resource: str) -> None:
    event = {"event": name, "resource": {"id": resource}}
    problem = await api.post(EVENTS, 422, json=[EVENT, event])
    assert problem["errors"][0]["index"] == 1
    assert problem["errors"][0]["field"] == "event"
    listed = await api.get(f"{EVENTS}?event=a.b,{name}&resource=x,{resource}")
    assert all(each["resource"]["id"] == "log" for each in listed["items"])


async def test_runs_of_others_may_be_told_of(api: Api) -> None:
    event = {"event": "flow-run.failed", "resource": {"id": "flow-run.nightly"}}
    assert (await api.post(EVENTS, 202, json=event))["accepted"] == 1


async def test_an_automation_can_not_speak_for_upshot(api: Api) -> None:
    emit = {"emit-event": {"event": "automation.created"}}
    doc = {"name": "a", "trigger": {"expect": ["a.b"]}, "actions": [emit]}
    problem = await api.post("/api/v1/apply", 422, json={"automations": [doc]})
    assert "Upshot's own" in problem["detail"]


async def test_all_members_of_a_gzip_are_read(api: Api) -> None:
    members = gzip.compress(b'[{"event":"a.b",') + gzip.compress(b'"resource":{"id":"x"}}]')
    answer = await api.post(EVENTS, 202, data=members, headers={"Content-Encoding": "gzip"})
    assert answer["accepted"] == 1
    many = gzip.compress(b"") * 100
    await api.post(EVENTS, 400, data=many, headers={"Content-Encoding": "gzip"})


NO_JSON = {
    "NaN": '{"variables":[{"name":"a","value":NaN}]}',
    "infinite": '{"variables":[{"name":"a","value":1e999}]}',
    "a lone surrogate": '{"variables":[{"name":"a","value":"\\ud800"}]}',
    "deep": f'{{"variables":[{{"name":"a","value":{"[" * 120}{"]" * 120}}}]}}',
    "deeper": f'{{"variables":[{{"name":"a","value":{"[" * 9000}{"]" * 9000}}}]}}',
}


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON.keys())
async def test_what_could_not_be_read_back_is_not_applied(api: Api, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    problem = await api.post("/api/v1/apply", 400, data=body, headers=headers)
    assert problem["type"].endswith("not-json")
    assert (await api.get("/api/v1/variables"))["items"] == []


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00Z", "1969-12-31"])
async def test_a_time_before_all_events_lists_them_all(api: Api, since: str) -> None:
    await api.post(EVENTS, 202, json=EVENT)
    assert (await api.get(f"{EVENTS}?event=a.b&since={since}"))["items"]


async def test_digits_of_other_scripts_are_no_position(api: Api) -> None:
    await api.get(f"{EVENTS}?cursor=\u0661-\u0661", 422)


async def test_many_large_bodies_at_once_are_refused_without_harm(store_url: str) -> None:
    body = json.dumps([{**EVENT, "payload": {"x": "y" * 900}}]).encode()

    async def slowly(held: asyncio.Event) -> AsyncIterator[bytes]:
        yield body[:-1]
        await held.wait()
        yield body[-1:]

    async with served(store_url, max_body=1024) as api:
        held = asyncio.Event()
        posts = [asyncio.create_task(_status(api, slowly(held))) for _ in range(40)]
        done, _ = await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
        assert {each.result() for each in done} == {503}
        held.set()
        assert set(await asyncio.gather(*posts)) == {202, 503}
        await api.post(EVENTS, 202, data=body)


async def _status(api: Api, data: Any) -> int:
    async with api.http.post(api.url + EVENTS, data=data) as answer:
        await answer.read()
        return answer.status


@asynccontextmanager
async def bounded(most: int = 100, patience: float = 60.0) -> AsyncIterator[int]:
    """Serve the bare protocol; yields its port."""
    config, state = uvicorn.Config(_hello, log_config=None), ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: BoundedProtocol(config, state, {}, most=most, patience=patience), "127.0.0.1", 0
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _hello(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def said(port: int, *pieces: bytes) -> bytes:
    """Send pieces, and return all that comes until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await reader.read()
    except ConnectionError:
        return b"reset"
    finally:
        writer.close()


START = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
FLOOD = [b"X-Header: " + b"a" * 4000 + b"\r\n"] * 200
ENDLESS = {
    "headers": [START, *FLOOD],
    "one header": [START + b"X: ", *[b"a" * 4000] * 200],
    "a URL": [b"GET /", *[b"a" * 4000] * 200],
    "trailers": [START + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", *FLOOD],
}


@pytest.mark.parametrize("pieces", ENDLESS.values(), ids=ENDLESS.keys())
async def test_what_never_ends_is_cut_off(pieces: list[bytes]) -> None:
    async with bounded() as port:
        answer = await said(port, *pieces)
    assert answer == b"reset" or b" 431 " in answer


@pytest.mark.parametrize("begun", [b"", b"\r\n", b"GET / HTTP/1.1\r\nHost: lo"])
async def test_who_does_not_finish_asking_is_hung_up_on(begun: bytes) -> None:
    async with bounded(patience=0.05) as port:
        assert await said(port, begun) == b""


async def test_who_begins_again_and_does_not_finish_is_hung_up_on() -> None:
    async with bounded(patience=0.05) as port:
        whole = START + b"Content-Length: 0\r\n\r\n"
        assert b"hello" in await said(port, whole, START)


async def test_a_body_in_many_small_chunks_is_no_head() -> None:
    start = START + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    chunks = [b"1\r\nx\r\n" * 1000] * (LONGEST_HEAD // 1000)
    async with bounded() as port:
        assert b"hello" in await said(port, start, *chunks, b"0\r\n\r\n")


async def test_more_connections_than_there_may_be_are_refused_at_once() -> None:
    async with bounded(most=1) as port:
        _, first = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0)
        assert b" 503 " in await said(port, START)
        first.close()
    assert most_connections() >= 16


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
async def test_a_large_body_is_checked_in_parts_and_taken_whole_or_not_at_all(
    api: Api, kind: str
) -> None:
    def body(*events: dict[str, Any]) -> bytes:
        each = [json.dumps(event) for event in events]
        return (f"[{','.join(each)}]" if kind == "application/json" else "\n".join(each)).encode()

    headers, wrong = {"Content-Type": kind}, {**EVENT, "event": "Wrong"}
    good = [{**EVENT, "payload": {"x": "y" * 1000, "n": n}} for n in range(700)]
    problem = await api.post(EVENTS, 422, data=body(*good, wrong), headers=headers)
    assert problem["errors"][0] | {"message": ""} == {"index": 700, "field": "event", "message": ""}
    assert not (await api.get(f"{EVENTS}?event=a.b"))["items"]
    assert (await api.post(EVENTS, 202, data=body(*good), headers=headers))["accepted"] == 700
    newest = (await api.get(f"{EVENTS}?event=a.b&limit=2"))["items"]
    assert [each["payload"]["n"] for each in newest] == [699, 698]
    await api.post(EVENTS, 400, data=body(*good)[:-1], headers=headers)


async def test_large_events_are_listed_and_followed_a_few_at_a_time(api: Api) -> None:
    large: dict[str, Any] = {**EVENT, "payload": {"x": "y" * 250_000}}
    start = (await api.get(EVENTS + "?limit=1"))["items"]
    for _ in range(4):
        await api.post(EVENTS, 202, json=[large] * 6)
    seen, path = 0, f"{EVENTS}?event=a.b"
    page = await api.get(path)
    while page["next"]:
        assert len(page["items"]) < 24
        seen += len(page["items"])
        page = await api.get(f"{path}&cursor={page['next']}")
    assert seen + len(page["items"]) == 24
    headers = {"Last-Event-ID": start[0]["position"] if start else "0-0"}
    async with api.http.get(f"{api.url}{EVENTS}/stream?event=a.b", headers=headers) as stream:
        followed = 0
        while followed < 24:
            line = await stream.content.readuntil(b"\n")
            followed += line.startswith(b"data:")


async def test_the_dashboard_shows_what_could_not_be_read_and_what_is_still_open(api: Api) -> None:
    keys, execute = api.store.keys, api.store.execute
    letter = b'{"type":"","reason":"no JSON","at":"2026-01-01T00:00:00Z","raw":"?"}'
    await execute("XADD", keys("dead-letters"), "*", "d", letter)
    doc = {
        "id": "f1",
        "automation": "a",
        "reason": "absent",
        "at": 1,
        "actions": ["notify"],
        "labels": {},
    }
    await execute("HSET", keys("firing", "f1"), "doc", json.dumps(doc), "0", "{}")
    await execute("ZADD", keys("firings"), 1, "f1")
    async with api.http.get(api.url) as answer:
        text = await answer.text()
    assert answer.status == 200, text
    assert "no JSON" in text
    assert "open" in text
