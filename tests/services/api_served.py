"""The API as it runs in production, served within a test: a real socket, real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import structlog

from upshot.events.settings import Settings
from upshot.events.store import Store
from upshot.services.api.server import serve
from upshot.services.cli.app import run
from upshot.services.listening import listen

# As in production: the default renders the locals of every frame and takes seconds for it.
structlog.configure(
    processors=[structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
)


@dataclass
class Api:
    """A served API: its address and an HTTP client for it."""

    url: str
    http: aiohttp.ClientSession
    store: Store
    serving: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        """End the service in order."""
        assert self.serving is not None
        self.serving.cancel()
        with suppress(asyncio.CancelledError):
            await self.serving

    async def get(self, path: str, status: int = 200, **how: Any) -> Any:
        """Return the JSON of a GET that must answer with ``status``."""
        return await self.ask("GET", path, status, **how)

    async def post(self, path: str, status: int = 200, **how: Any) -> Any:
        """Return the JSON of a POST that must answer with ``status``."""
        return await self.ask("POST", path, status, **how)

    async def ask(self, method: str, path: str, status: int, **how: Any) -> Any:
        async with self.http.request(method, self.url + path, **how) as answer:
            text = await answer.text()
            assert answer.status == status, text
            return await answer.json(content_type=None)

    async def logged(self) -> int:
        """Return how many events are in the log, but for what a slow machine makes it tell."""
        entries = await self.store.execute("XRANGE", self.store.keys("log"), "-", "+")
        return sum(b'"log.reopened"' not in body for _, (_, body) in entries)


@asynccontextmanager
async def served(store_url: str, **changes: Any) -> AsyncIterator[Api]:
    """Serve the API on a free port until the block ends."""
    settings = Settings(**{"data_dir": Path("/nonexistent"), "port": 0, **changes})
    store, socket = Store(store_url), listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{socket.getsockname()[1]}"
    await store.load_functions()
    serving = asyncio.create_task(serve(settings, store, [socket]))
    try:
        async with aiohttp.ClientSession() as http:
            api = Api(url, http, store, serving)
            await api.get("/healthz")  # answered as soon as it serves
            yield api
    finally:
        await api.stop()
        await store.close()


def printed(api: Api, *command: str) -> str:
    """Return what a command against a served API prints; it must succeed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        assert run(["--url", api.url, *command]) == 0
    return out.getvalue()
