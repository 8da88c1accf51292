"""The bare store: XADD over a plain socket, packed beforehand, so that only it is measured."""

from __future__ import annotations

import socket
import time
from typing import Any, Final

import hiredis

from upshot.events.log import BATCH

from .posting import Connection
from .sample import chunks

IN_FLIGHT: Final = 2
"""Batches under way at a time: the next one is there when the store has done with one."""

_KEY: Final = b"bare"
_LINES_PER_ANSWER: Final = 2  # the length of the position, and the position
_MOST_AWAITED: Final = (IN_FLIGHT - 1) * BATCH * _LINES_PER_ANSWER


def xadd_rate(store_url: str, bodies: list[bytes]) -> float:
    """Return events a second, so many XADD in one write as Upshot puts into one call."""
    batches = list(chunks(bodies, BATCH))
    packed = [b"".join(map(_command, batch)) for batch in batches]
    answers = [len(batch) * _LINES_PER_ANSWER for batch in batches]
    with socket.socket(socket.AF_UNIX) as store:
        store.connect(_path(store_url))
        began = time.perf_counter()
        sent = answered = 0
        for commands, count in zip(packed, answers, strict=True):
            store.sendall(commands)
            sent += count
            while sent - answered > _MOST_AWAITED:
                answered += _lines(store)
        while answered < sent:
            answered += _lines(store)
        seconds = time.perf_counter() - began
        store.sendall(_packed(b"UNLINK", _KEY))
        store.recv(64)
    return len(bodies) / seconds


def way_ms(store_url: str, receiver_port: int, times: int) -> list[float]:
    """Return how long the least takes that lies between an event's POST and a call because of it.

    That is two durable writes (the event, then what was decided) and one HTTP request, one after
    the other, in ms.
    """
    receiver = Connection(receiver_port, "/")
    request = receiver.request(b"{}")
    write = _command(b"{}")
    with socket.socket(socket.AF_UNIX) as store:
        store.connect(_path(store_url))
        return [_way(store, write, receiver, request) for _ in range(times)]


def _way(store: socket.socket, write: bytes, receiver: Connection, request: bytes) -> float:
    began = time.perf_counter()
    for _ in range(2):
        store.sendall(write)
        _lines(store)
    receiver.send(request)
    return (time.perf_counter() - began) * 1000


def _path(store_url: str) -> str:
    return store_url.removeprefix("unix://").partition("?")[0]


def _command(body: bytes) -> bytes:
    return _packed(b"XADD", _KEY, b"*", b"e", body)


def _packed(*parts: bytes) -> bytes:
    pack: Any = hiredis.pack_command  # its annotation takes one argument only
    packed: bytes = pack(parts)
    return packed


def _lines(store: socket.socket) -> int:
    """Read what is there, wait where nothing is; return how many lines that were."""
    answer = store.recv(1 << 16)
    if not answer or answer.startswith(b"-"):
        raise ConnectionError(f"the store answered {answer[:100]!r}")
    return answer.count(b"\n")
