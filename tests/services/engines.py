"""Engines under test: in this process or in one of their own, on a log whose times are chosen."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from pydantic_core import from_json

from tests.waiting import until
from upshot.events.event import Event
from upshot.events.log import START, Log
from upshot.events.store import Store
from upshot.services.definitions.catalog import Catalog
from upshot.services.definitions.planning import Change, Verb
from upshot.services.definitions.telling import definition_event
from upshot.services.engine import Engine

LEASE_MS = 600

PROCESS = """
import asyncio, sys
from upshot.events.settings import Settings
from upshot.services.engine import run
asyncio.run(run(Settings(lease=float(sys.argv[2])), sys.argv[1]))
"""


def automation(name: str, /, *, title: str = "{{ event.id }}", **trigger: Any) -> dict[str, Any]:
    """Return an automation that notifies; by default on each ``tick``."""
    what = {"type": "event", **({"expect": ["tick"]} if "expect" not in trigger else {}), **trigger}
    return {"name": name, "trigger": what, "actions": [{"notify": {"to": "me", "title": title}}]}


def event(name: str = "tick", identity: str | None = None, **fields: Any) -> Event:
    body = {"event": name, "resource": {"id": "thing.1"}, **fields}
    return Event.model_validate({**body, "id": identity} if identity else body)


def defined(doc: dict[str, Any] | None, name: str, verb: Verb, version: int) -> Event:
    """Return the event by which the engine learns of a definition."""
    return definition_event(Change("automation", name, verb, version - 1, doc), verb.value)


async def place(store: Store, ms: int, *events: Event, own: bool = False) -> None:
    """Append events as if the store's clock showed ``ms``."""
    for each in events:
        field = "o" if own else "e"
        await store.execute("XADD", store.keys("log"), f"{ms}-*", field, each.to_json())


async def apply(store: Store, *automations: dict[str, Any]) -> None:
    """Define automations."""
    await Catalog(store).apply({"automation": {each["name"]: each for each in automations}})


async def fired(store: Store) -> list[Any]:
    """Return what the dispatcher is given of each firing."""
    entries = await store.execute("XRANGE", store.keys("actions"), "-", "+")
    return [from_json(entry[1][1]) for entry in entries]


@asynccontextmanager
async def engine(store: Store, lease_ms: int = LEASE_MS) -> AsyncIterator[Engine]:
    """Run an engine in this process; it gives the lease up at the end."""
    running = Engine(store, lease_ms=lease_ms)
    task = asyncio.create_task(running.run())
    try:
        yield running
    finally:
        task.cancel()  # an error that ended it before is raised here
        with suppress(asyncio.CancelledError):
            await task


@contextmanager
def engine_process(url: str, lease_ms: int = LEASE_MS) -> Iterator[subprocess.Popen[bytes]]:
    """Run an engine in a process of its own; whatever state it is in, it ends here."""
    command = [sys.executable, "-c", PROCESS, url, str(lease_ms / 1000)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


async def cursor(store: Store) -> str:
    found = await store.execute("HGET", store.keys("engine"), "cursor")
    return found.decode() if found else START


async def settled(store: Store) -> None:
    """Wait until the engine has committed all that is in the log, its own events among them."""

    async def read() -> bool:
        return await cursor(store) == await Log(store).end()

    await until(read)


async def owned(store: Store) -> bool:
    held = await store.execute("HMGET", store.keys("lease", "engine"), "epoch", "until")
    return held[1] not in (None, b"0")


async def firings(store: Store) -> list[dict[str, Any]]:
    """Return the firings as they were recorded, oldest first."""
    ids = await store.execute("ZRANGE", store.keys("firings"), 0, -1)
    docs = [await store.execute("HGET", store.keys("firing", each.decode()), "doc") for each in ids]
    return sorted((from_json(doc) for doc in docs), key=lambda doc: doc["at"])


async def entries(store: Store) -> list[dict[str, Any]]:
    """Return what the dispatcher is to do, oldest first."""
    stored = await store.execute("XRANGE", store.keys("actions"), "-", "+")
    return [from_json(body) for _, (_, body) in stored]


async def names(store: Store) -> list[str]:
    """Return the names of all events in the log."""
    return [each.name for each in await Log(store).range(limit=100_000)]


async def counter(store: Store, name: str) -> int:
    return int(await store.execute("HGET", store.keys("counters"), name) or 0)
