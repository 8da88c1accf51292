"""Reads request bodies: never more than is allowed, however they are sent."""

from __future__ import annotations

import asyncio
import zlib
from typing import Final, NoReturn

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..exceptions import Refused

_MOST_MEMBERS: Final = 64
_BODIES_HELD: Final = 16
PATIENCE: Final = 60.0
"""Seconds that a sender has for one body."""


async def read_body(request: Request, limit: int) -> bytes:
    """Return the whole body, unpacked when it came with gzip.

    Raises:
        Refused: 413 above ``limit`` bytes, 415, 400. HTTPException: as :class:`BodyLimit`.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        _too_large(limit)
    body = await _gather(request, limit)
    encoding = request.headers.get("content-encoding", "identity").lower()
    return body if encoding == "identity" else _unpack(body, encoding, limit)


async def _gather(request: Request, limit: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            _too_large(limit)
        parts.append(part)
    return b"".join(parts)


def _unpack(body: bytes, encoding: str, limit: int) -> bytes:
    if encoding != "gzip":
        raise Refused(
            415, "unsupported-encoding", f"Content-Encoding {encoding}: send gzip or none"
        )
    unpacked = b""
    for _ in range(_MOST_MEMBERS):  # gzip may have several, one after another
        part, body = _unpack_member(body, limit - len(unpacked))
        unpacked += part
        if len(unpacked) > limit:
            _too_large(limit)
        if not body:
            return unpacked
    raise Refused(400, "not-gzip", f"the body's gzip has more than {_MOST_MEMBERS} members")


def _unpack_member(body: bytes, limit: int) -> tuple[bytes, bytes]:
    """Return at most a byte more than ``limit`` of what is packed first, and what follows it."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise Refused(400, "not-gzip", f"the body is not gzip: {error}") from error
    if not unpacker.eof and len(unpacked) <= limit:
        raise Refused(400, "not-gzip", "the body's gzip ends too early")
    return unpacked, unpacker.unused_data


def _too_large(limit: int) -> NoReturn:
    raise _closing(413, "too-large", f"the body is larger than {limit:,} bytes (max_body)")


def _closing(status: int, kind: str, detail: str) -> Refused:
    """Refuse and close the connection: what the sender still sends must not be read."""
    return Refused(status, kind, detail, headers={"Connection": "close"})


class BodyLimit:
    """ASGI middleware: whoever reads a body reads at most ``limit`` bytes of it, and not for ever.

    All bodies together have room for ``_BODIES_HELD`` of the largest ones: many senders at once
    must not fill the memory.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._room = _BODIES_HELD * limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        bounded = _Bounded(self, receive)
        try:
            await self._app(scope, bounded.receive, send)
        finally:
            self._room += bounded.size
        return None

    def hold(self, size: int, more: int) -> None:
        """Take room for ``more`` bytes of a body that has then ``size``, or refuse the body."""
        self._room -= more
        if size > self._limit:
            detail = f"the body is larger than {self._limit:,} bytes (max_body)"
            raise HTTPException(413, detail, headers={"Connection": "close"})
        if self._room < 0:
            headers = {"Connection": "close", "Retry-After": "1"}
            raise HTTPException(503, "too many large bodies at once; send again", headers=headers)


class _Bounded:
    """One request's ``receive``, counted and timed until its body has come."""

    def __init__(self, limit: BodyLimit, receive: Receive) -> None:
        self._limit = limit
        self._receive = receive
        self._until = asyncio.get_running_loop().time() + PATIENCE
        self._whole = False
        self.size = 0

    async def receive(self) -> Message:
        if self._whole:  # what may come now is the end of the connection
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            detail = f"the body took longer than {PATIENCE:.0f} s"
            raise HTTPException(408, detail, headers={"Connection": "close"}) from None
        self._whole = not message.get("more_body", False)
        more = len(message.get("body", b""))
        self.size += more
        self._limit.hold(self.size, more)
        return message
