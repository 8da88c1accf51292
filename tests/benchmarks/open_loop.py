"""Open loops: single events sent at a fixed rate, whether or not earlier ones were answered."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final, cast

import uvloop

from upshot.events.log import Log
from upshot.events.store import Store

from .posting import whole_length
from .sample import recorded_form

_ACCEPTED: Final = b"HTTP/1.1 202"


@dataclass(frozen=True, slots=True)
class Sent:
    """What the loop did, in seconds.

    Attributes:
        late: by how much each event was sent after it was due.
        answered: how long each was answered after it was sent.
    """

    late: list[float]
    answered: list[float]


def send(port: int, rate: float, count: int) -> Sent:
    """Send so many events at so many a second; each tells when it was sent, as ``payload.sent``."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_send(port, rate, count))


def append(store_url: str, rate: float, count: int) -> Sent:
    """Append so many events at so many a second, each telling when, without an API between."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_append(store_url, rate, count))


async def _append(store_url: str, rate: float, count: int) -> Sent:
    store, sent = Store(store_url), Sent([], [])
    log = Log(store)
    under_way: set[asyncio.Task[None]] = set()
    await log.end()  # connected before it counts
    due = time.monotonic() + 0.2
    for number in range(count):
        if (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(_append_one(log, number, sent))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        sent.late.append(max(0.0, time.monotonic() - due))
        due += 1 / rate
    await asyncio.gather(*under_way)
    await store.close()
    return sent


async def _append_one(log: Log, number: int, sent: Sent) -> None:
    at = time.monotonic_ns()
    resource = {"id": f"order.{number}", "name": f"order {number}"}
    payload = {"n": number, "sent": at}
    body = recorded_form({"event": "order.created", "resource": resource, "payload": payload})
    await log.append_raw([("", body)])
    sent.answered.append((time.monotonic_ns() - at) / 1e9)


async def _send(port: int, rate: float, count: int) -> Sent:
    idle: list[_Connection] = []
    every: list[_Connection] = []
    sent = Sent([], [])
    due = time.monotonic() + 0.2
    for number in range(count):
        if (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        if not idle:
            every.append(await _open(port, idle, sent))
            idle.append(every[-1])
        idle.pop().post(number)
        sent.late.append(max(0.0, time.monotonic() - due))
        due += 1 / rate
    while len(sent.answered) < count:  # noqa: ASYNC110 - nobody waits for the exact moment
        await asyncio.sleep(0.01)
    for connection in every:
        connection.transport.close()
    return sent


async def _open(port: int, idle: list[_Connection], sent: Sent) -> _Connection:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: _Connection(idle, sent), "127.0.0.1", port)
    return connection


class _Connection(asyncio.Protocol):
    """One connection: idle again when its event was answered."""

    transport: asyncio.Transport

    def __init__(self, idle: list[_Connection], sent: Sent) -> None:
        self._idle = idle
        self._sent = sent
        self._at = 0
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def post(self, number: int) -> None:
        self._at = time.monotonic_ns()
        body = (
            b'{"event":"order.created","resource":{"id":"order.%d","name":"order %d"},'
            b'"payload":{"n":%d,"sent":%d}}' % (number, number, number, self._at)
        )
        self.transport.write(
            b"POST /api/v1/events HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )

    def data_received(self, data: bytes) -> None:
        self._answer += data
        whole = whole_length(self._answer)
        if whole is None or len(self._answer) < whole:
            return
        if not self._answer.startswith(_ACCEPTED):
            raise ConnectionError(f"refused: {self._answer[:500]!r}")
        self._answer = b""
        self._sent.answered.append((time.monotonic_ns() - self._at) / 1e9)
        self._idle.append(self)
