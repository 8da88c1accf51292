"""HTTP as uvicorn speaks it, with bounds on heads of requests and on connections.

Bodies have bounds of their own (``bodies.py``); heads and trailers are gathered by the parser, and
a connection that sends none holds a descriptor, so both must be watched here.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

LONGEST_HEAD: Final = 64 * 1024
"""Bytes of a request line with its headers, or of what follows a body."""
HEAD_PATIENCE: Final = 20.0
"""Seconds from a connection, or from the first byte of a request, to the end of its headers."""
MOST_FILES: Final = 65_536
_RESERVED: Final = 128  # descriptors for the store, the log, and what else is opened

_TOO_LONG: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)
_TOO_MANY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"retry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


def most_connections() -> int:
    """Return how many connections may be open, having raised the limit of files to what may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return max(16, (MOST_FILES if soft == resource.RLIM_INFINITY else soft) - _RESERVED)


class BoundedProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        most: how many there may be. patience: as ``HEAD_PATIENCE``.
    """

    def __init__(
        self, *args: Any, most: int, patience: float = HEAD_PATIENCE, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._most = most
        self._patience = patience
        self._gathered = 0
        self._progress = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._most:
            self._refuse(_TOO_MANY)
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._progress = False
        super().data_received(data)
        self._gathered = 0 if self._progress else self._gathered + len(data)
        if self._gathered > LONGEST_HEAD:
            self._refuse(_TOO_LONG)
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self._expect_head()

    def on_headers_complete(self) -> None:
        self._progress = True
        self._head_came()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._progress = True
        super().on_body(body)

    def on_chunk_header(self) -> None:
        self._progress = True

    def on_message_complete(self) -> None:
        self._progress = True
        super().on_message_complete()

    def _refuse(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()

    def _expect_head(self) -> None:
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self._patience, self.transport.close)

    def _head_came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
