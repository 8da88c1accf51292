"""An HTTP receiver in a process of its own: notes when each request was whole, and answers 200."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from multiprocessing.connection import Connection as Pipe
from typing import Any, Final, Self, cast

import uvloop

from .posting import whole_length

_ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_END: Final = b"\r\n\r\n"

Call = tuple[int, bytes]
"""Monotonic ns at which a request was whole, and its body."""


class Receiver:
    """Runs the receiver; ask it for what came.

    Attributes:
        port: of the loopback address where it listens.
    """

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self.port: int = self._pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def count(self) -> int:
        """Return how many requests have come since they were last taken."""
        return int(self._ask("count"))

    def take(self) -> list[Call]:
        """Return the requests that came, and forget them."""
        calls: list[Call] = self._ask("take")
        return calls

    def _ask(self, what: str) -> Any:
        self._pipe.send(what)
        return self._pipe.recv()


class _Protocol(asyncio.Protocol):
    """One connection; enough HTTP for requests with a length or without a body."""

    def __init__(self, calls: list[Call]) -> None:
        self._calls = calls
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        self._data += data
        while (whole := whole_length(self._data)) is not None and len(self._data) >= whole:
            self._calls.append((now, self._data[:whole].partition(_END)[2]))
            self._data = self._data[whole:]
            self._transport.write(_ANSWER)


def _serve(pipe: Pipe) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_listen(pipe))


async def _listen(pipe: Pipe) -> None:
    calls: list[Call] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Protocol(calls), "127.0.0.1", 0)
    pipe.send(server.sockets[0].getsockname()[1])
    while True:
        # A thread waits for it: the event loop would make the pipe one that does not wait.
        if await loop.run_in_executor(None, pipe.recv) == "count":
            pipe.send(len(calls))
        else:
            taken = calls[:]
            calls.clear()
            await loop.run_in_executor(None, pipe.send, taken)
