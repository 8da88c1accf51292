"""The receiver, in a process of its own: writes down each call with its Idempotency-Key.

``python -m tests.chaos.receiver PORT FILE MODE``; the mode is ``well``, ``hang`` or ``fail``, and
``POST /mode`` changes it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TextIO

from aiohttp import web


class Receiver:
    """Answers calls; only those that it answers well count as seen."""

    def __init__(self, seen: TextIO, mode: str) -> None:
        self._seen = seen
        self._mode = mode

    async def mode(self, request: web.Request) -> web.Response:
        self._mode = await request.text()
        return web.Response(text=self._mode)

    async def call(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        if self._mode == "hang":
            await asyncio.sleep(3600)
        if self._mode == "fail":
            return web.Response(status=500)
        line = {
            "at": time.time(),
            "key": request.headers["Idempotency-Key"],
            "kind": request.match_info["kind"],
            "body": body,
        }
        self._seen.write(f"{json.dumps(line)}\n")
        self._seen.flush()
        return web.Response(text="seen")


def main(arguments: list[str]) -> None:
    port, path, mode = arguments
    with Path(path).open("a") as seen:
        receiver = Receiver(seen, mode)
        app = web.Application()
        app.router.add_post("/mode", receiver.mode)
        app.router.add_post("/{kind}", receiver.call)
        web.run_app(app, host="127.0.0.1", port=int(port), print=None, shutdown_timeout=0.1)


if __name__ == "__main__":
    main(sys.argv[1:])
