"""Start and end of the API: where it may listen, and that nothing under way is lost."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.services.api_served import served
from upshot.events.log import Log
from upshot.events.settings import Settings
from upshot.events.store import Store
from upshot.services.api import run
from upshot.services.exceptions import AddressInUse, Exposed
from upshot.services.listening import listen


def settings(**given: Any) -> Settings:
    return Settings(**{"data_dir": Path("/nonexistent"), "port": 0, **given})


async def test_an_address_that_is_taken_is_named(store_url: str) -> None:
    taken = listen("127.0.0.1", 0)
    port = taken.getsockname()[1]
    with pytest.raises(AddressInUse, match=f"127.0.0.1:{port}"):
        await run(settings(port=port), store_url)
    taken.close()


async def test_an_open_address_without_a_token_does_not_start(store_url: str) -> None:
    with pytest.raises(Exposed):
        await run(settings(host="0.0.0.0"), store_url)


async def test_it_serves_on_a_socket_that_listens_already(store_url: str) -> None:
    socket = listen("127.0.0.1", 0)
    running = asyncio.create_task(run(settings(), store_url, sockets=[socket]))
    reader, writer = await asyncio.open_connection("127.0.0.1", socket.getsockname()[1])
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_a_request_under_way_is_answered_though_the_service_ends(store: Store) -> None:
    body = json.dumps({"event": "order.placed", "resource": {"id": "order.1"}}).encode()
    async with served(store.url) as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(api.url.split(":")[2]))
        head = f"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
        writer.write(head.encode() + b"\r\n\r\n" + body[:10])
        await writer.drain()
        await api.get("/healthz")  # what was sent before has arrived
        ending = asyncio.create_task(api.stop())
        await asyncio.sleep(0.2)
        writer.write(body[10:])
        assert (await reader.readline()).startswith(b"HTTP/1.1 202")
        await ending
        writer.close()
    assert any(event.name == "order.placed" for event in await Log(store).range())
