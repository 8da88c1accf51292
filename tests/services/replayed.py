"""An HTTP server on loopback that gives the answers of an API as they are written down."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Request:
    """A request that came.

    Attributes:
        query: its parameters. body: its JSON, or None.
    """

    method: str
    path: str
    query: dict[str, str]
    body: Any


@dataclass
class Replayed:
    """Answers by ``METHOD path``; of several, each is given once, and the last one from then on."""

    answers: dict[str, list[tuple[int, Any]]]
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        text = await request.text()
        body = json.loads(text) if text else None
        self.requests.append(Request(request.method, request.path, dict(request.query), body))
        answers = self.answers.get(f"{request.method} {request.path}")
        if not answers:
            return web.json_response({"message": "no such page"}, status=404)
        status, answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is None:
            return web.Response(status=status)
        return web.json_response(answer, status=status)

    def asked(self, method: str, path: str) -> list[Request]:
        return [each for each in self.requests if (each.method, each.path) == (method, path)]


@asynccontextmanager
async def replayed(answers: dict[str, list[tuple[int, Any]]]) -> AsyncIterator[Replayed]:
    """Serve answers until the end of the block."""
    server = Replayed(answers)
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
