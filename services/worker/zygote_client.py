"""Starts the zygote, starts it again when it dies, and has it open warm parents."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import structlog
from pydantic_core import from_json

from .wire import Message, encode

log = structlog.get_logger(__name__)

_PATIENCE: Final = 10.0
"""Seconds that it has to end everything below it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A new warm parent: its process, how it is reached, and how it ends (None: nobody knows)."""

    pid: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: asyncio.Future[int | None]


class Zygote:
    """The one zygote of a worker.

    Args:
        store_url: address of the store, lease_ms: for the flow processes.
    """

    def __init__(self, store_url: str, lease_ms: int) -> None:
        self._for_flows = {"store_url": store_url, "lease_ms": lease_ms}
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._opening: dict[int, asyncio.Future[int]] = {}
        self._open: dict[int, asyncio.Future[int | None]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Make sure that it runs."""
        if self._reader is not None and not self._reader.done():
            return
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = _spawn(theirs.fileno())
        ours.setblocking(False)
        self._socket = ours
        self._reader = asyncio.create_task(self._read(ours, self._process), name="zygote")

    async def open(self, entrypoint: str, folder: str = "") -> Opened:
        """Have a warm parent forked for an entrypoint; without one, it starts programs.

        Args:
            folder: where it stands, if not where the worker does.

        Raises:
            OSError: there is no zygote to do it.
        """
        await self.start()
        with _pair() as (ours, theirs):
            number = next(self._numbers)
            status = self._ask({"open": number, "entrypoint": entrypoint, "folder": folder}, theirs)
            try:
                pid = await self._opening[number]
            finally:
                del self._opening[number]
            reader, writer = await asyncio.open_unix_connection(sock=ours.dup())
        return Opened(pid, reader, writer, status)

    def _ask(self, request: Message, theirs: socket.socket) -> asyncio.Future[int | None]:
        loop, number = asyncio.get_running_loop(), request["open"]
        self._opening[number] = loop.create_future()
        self._open[number] = status = loop.create_future()
        assert self._socket is not None
        line = encode({**request, **self._for_flows})
        socket.send_fds(self._socket, [line], [theirs.fileno()])
        return status

    async def _read(self, connection: socket.socket, process: subprocess.Popen[bytes]) -> None:
        try:
            with connection:
                reader, writer = await asyncio.open_unix_connection(sock=connection.dup())
                async for line in reader:
                    self._hear(from_json(line))
                writer.close()
        except ConnectionError as error:
            log.debug("zygote went away", reason=str(error))
        finally:
            code = await asyncio.to_thread(process.wait)
            log.debug("zygote ended", code=code)
            self._give_up()

    def _hear(self, message: Message) -> None:
        if "opened" in message:
            _settle(self._opening.get(message["opened"]), message["pid"])
        else:
            _settle(self._open.pop(message["closed"], None), message["status"])

    def _give_up(self) -> None:
        """Tell those who wait that the zygote, and so every warm parent, is gone."""
        for opening in self._opening.values():
            if not opening.done():
                opening.set_exception(ChildProcessError("the zygote ended"))
        for status in self._open.values():
            _settle(status, None)
        self._open.clear()

    async def close(self) -> None:
        """End it, and with it everything below it."""
        if self._process is None or self._reader is None or self._socket is None:
            return
        with suppress(OSError):  # it is gone already
            self._socket.shutdown(socket.SHUT_RDWR)
        await asyncio.wait([self._reader], timeout=_PATIENCE)
        self._process.kill()
        await self._reader


def _spawn(descriptor: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "upshot.services.worker.zygote"]
    return subprocess.Popen(
        [*command, str(descriptor)],
        stdin=subprocess.DEVNULL,
        pass_fds=[descriptor],
        start_new_session=True,
    )


def _settle(future: asyncio.Future[Any] | None, value: int | None) -> None:
    if future is not None and not future.done():
        future.set_result(value)


@contextmanager
def _pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs
