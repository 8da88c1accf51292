"""A lean HTTP client in processes of its own: bodies made beforehand, plain sockets, keep-alive."""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

T = TypeVar("T")

_PATIENCE: Final = 60.0
_END: Final = b"\r\n\r\n"


def whole_length(message: bytes) -> int | None:
    """Return how long the HTTP message at the beginning is; None while its head is not whole."""
    end = message.find(_END)
    if end < 0:
        return None
    length = message[:end].lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return end + len(_END) + int(length or 0)


class Connection:
    """One connection that posts to one path, one request at a time."""

    def __init__(self, port: int, path: str, content_type: str = "application/x-ndjson") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = (
            f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: {content_type}\r\n"
        )

    def request(self, body: bytes) -> bytes:
        """Return a request as it goes over the wire."""
        return f"{self._head}content-length: {len(body)}\r\n\r\n".encode() + body

    def send(self, request: bytes) -> bytes:
        """Send a whole request; return the body of the answer.

        Raises:
            ConnectionError: it was not accepted.
        """
        self._socket.sendall(request)
        answer = b""
        while (length := whole_length(answer)) is None or len(answer) < length:
            answer += self._receive()
        if not answer.startswith(b"HTTP/1.1 2"):
            raise ConnectionError(f"refused: {answer[:500]!r}")
        return answer.partition(_END)[2]

    def _receive(self) -> bytes:
        received = self._socket.recv(1 << 16)
        if not received:
            raise ConnectionError("the service closed the connection")
        return received

    def close(self) -> None:
        self._socket.close()


@dataclass(frozen=True, slots=True)
class Posting:
    """What a client did: seconds it took, and the monotonic time at which it began."""

    seconds: float
    began: float


def post_all(port: int, path: str, bodies: list[bytes], connections: int) -> Posting:
    """Post every body, over so many connections that each wait for their answers."""
    opened = [Connection(port, path) for _ in range(connections)]
    requests = [opened[0].request(body) for body in reversed(bodies)]
    failures: list[BaseException] = []

    def work(connection: Connection) -> None:
        try:
            while requests:
                connection.send(requests.pop())
        except (OSError, IndexError) as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(each,)) for each in opened]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - began
    for each in opened:
        each.close()
    for failure in failures:
        if not isinstance(failure, IndexError):  # another thread took the last request
            raise failure
    return Posting(seconds, began)


def elsewhere(work: Callable[..., T], *arguments: Any) -> T:
    """Do something in a process of its own, and return what it returned."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(work, arguments)
