"""What the dispatcher's tests share: entries as the engine writes them, a receiver that counts."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from pydantic_core import from_json, to_json

from tests.waiting import until
from upshot.events.event import Causation
from upshot.events.ids import new_id
from upshot.events.settings import Settings
from upshot.events.store import Store
from upshot.services.definitions.catalog import Catalog
from upshot.services.dispatcher import run as dispatcher
from upshot.services.scheduler import run as scheduler

EVENT: dict[str, Any] = {
    "id": "the-event",
    "event": "order.placed",
    "occurred": "2026-01-01T00:00:00Z",
    "resource": {"id": "order.7", "name": "seven"},
    "related": [],
    "payload": {"n": 3},
    "follows": None,
}


def entry(*actions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return an actions entry; ``event`` replaces the firing's event."""
    now = int(time.time() * 1000)
    event = changes.pop("event", EVENT)
    return {
        "firing": new_id(),
        "automation": {"id": "auto-1", "name": "orders", "version": 4},
        "bucket": {"id": "order.7"},
        "reason": "threshold_reached",
        "at": now,
        "received": now,
        "cause": event["id"],
        "events": [event],
        "actions": list(actions),
        "causation": Causation().passing(event["id"], "auto-1").model_dump(),
        "next": 0,
        "attempt": 0,
        **changes,
    }


def call(url: str, **options: Any) -> dict[str, Any]:
    return {"call-webhook": {"url": url, "retry_delay": "20ms", **options}}


class Service:
    """A dispatcher and a scheduler at work on a store, and what there is to see of them."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def send(self, *entries: dict[str, Any] | bytes) -> None:
        bodies = [each if isinstance(each, bytes) else to_json(each) for each in entries]
        key = self.store.keys("actions")
        await self.store.pipeline([("XADD", key, "*", "f", body) for body in bodies])

    async def outcomes(self, firing: str) -> dict[str, Any]:
        fields = await self.store.execute("HGETALL", self.store.keys("firing", firing))
        return {
            index.decode(): from_json(body) for index, body in fields.items() if index.isdigit()
        }

    async def outcome(self, firing: str, index: int = 0) -> dict[str, Any]:
        await until(lambda: self._has(firing, index))
        return (await self.outcomes(firing))[str(index)]  # type: ignore[no-any-return]

    async def _has(self, firing: str, index: int) -> bool:
        return str(index) in await self.outcomes(firing)

    async def events(self, name: str) -> list[dict[str, Any]]:
        answer = await self.store.execute("XRANGE", self.store.keys("log"), "-", "+")
        bodies = [from_json(fields[1]) for _, fields in answer]
        return [body for body in bodies if body["event"] == name]

    async def letters(self) -> list[tuple[str, dict[str, Any]]]:
        answer = await self.store.execute("XRANGE", self.store.keys("dead-letters"), "-", "+")
        return [(letter.decode(), from_json(fields[1])) for letter, fields in answer]

    async def counters(self) -> dict[str, str]:
        fields = await self.store.execute("HGETALL", self.store.keys("counters"))
        return {name.decode(): value.decode() for name, value in fields.items()}

    async def idle(self) -> bool:
        """Tell whether nothing is waiting, in hand, or parked."""
        left = await self.store.execute("XLEN", self.store.keys("actions"))
        return not left and not await self.store.execute("ZCARD", self.store.keys("later"))

    async def state(self) -> str:
        """Return what is left to do, for a test that fails."""
        actions, later = self.store.keys("actions"), self.store.keys("later")
        commands = [("XLEN", actions), ("XPENDING", actions, "dispatchers"), ("ZCARD", later)]
        return str(await self.store.pipeline(commands))  # type: ignore[arg-type]

    async def replay(self, letter_id: str, letter: dict[str, Any]) -> None:
        event = {**EVENT, "id": new_id(), "event": "dead-letter.replayed"}
        again, firing = to_json(letter["entry"]), letter["firing"]
        await self.store.call("replay", letter_id, again, firing, letter["index"], to_json(event))


@asynccontextmanager
async def joined(
    store_url: str, settings: Settings, definitions: dict[str, dict[str, Any]] | None = None
) -> AsyncIterator[Service]:
    """Give access to a store with a scheduler at work, without any dispatcher."""
    store = Store(store_url)
    await store.load_functions()
    await Catalog(store).apply(definitions or {})
    task = asyncio.create_task(scheduler(settings, store_url))
    try:
        yield Service(store)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.close()


@asynccontextmanager
async def dispatching(
    store_url: str,
    settings: Settings | None = None,
    definitions: dict[str, dict[str, Any]] | None = None,
) -> AsyncIterator[Service]:
    """Run a dispatcher and a scheduler on a store."""
    settings = settings or Settings(lease=1.0)
    async with joined(store_url, settings, definitions) as service:
        task = asyncio.create_task(dispatcher(settings, store_url))
        try:
            yield service
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class Receiver:
    """A real HTTP server that keeps what it got, by path and by idempotency key."""

    def __init__(self) -> None:
        self.keys: Counter[str] = Counter()
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.times: list[float] = []
        self.url = ""
        self.held = asyncio.Event()
        self.answers: list[tuple[int, dict[str, str]]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.times.append(time.monotonic())
        self.keys[request.headers.get("Idempotency-Key", "")] += 1
        self.got.append((request.path, dict(request.headers), body))
        if request.path == "/hang":
            await self.held.wait()
        if request.path == "/moved":
            return web.Response(status=302, headers={"Location": self.url + "/ok"})
        if request.path == "/endless":
            return await _endless(request)
        if self.answers and request.path != "/ok":
            status, headers = self.answers.pop(0)
            return web.Response(status=status, headers=headers, text="told why")
        return web.Response(text="ok")

    async def until_asked(self, times: int, key: str | None = None) -> None:
        """Wait until it was asked so often, by anybody or under one key."""

        async def asked() -> bool:
            return (len(self.got) if key is None else self.keys[key]) >= times

        await until(asked, f"asked {times} times")

    def bodies(self, path: str) -> list[Any]:
        return [from_json(body) for at, _, body in self.got if at == path]


async def _endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    for _ in range(64):
        await answer.write(b"x" * 65536)
    return answer


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Run a receiver on a free port."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        receiver.held.set()
        await runner.cleanup()
