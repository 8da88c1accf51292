"""Reads request bodies: never more than is allowed, however they are sent."""

from __future__ import annotations

import asyncio
import zlib
from typing import Final, NoReturn

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..exceptions import Refused

PATIENCE: Final = 60.0
"""Seconds that a sender has for one body."""


async def read_body(request: Request, limit: int) -> bytes:
    """Return the whole body, unpacked when it came with gzip.

    Raises:
        Refused: 413 above ``limit`` bytes, 408 when it takes too long, 415, 400.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        _too_large(limit)
    try:
        async with asyncio.timeout(PATIENCE):
            body = await _gather(request, limit)
    except TimeoutError:
        raise _closing(408, "timeout", f"the body took longer than {PATIENCE:.0f} s") from None
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
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise Refused(400, "not-gzip", f"the body is not gzip: {error}") from error
    if len(unpacked) > limit:
        _too_large(limit)
    if not unpacker.eof:
        raise Refused(400, "not-gzip", "the body's gzip ends too early")
    return unpacked


def _too_large(limit: int) -> NoReturn:
    raise _closing(413, "too-large", f"the body is larger than {limit:,} bytes (max_body)")


def _closing(status: int, kind: str, detail: str) -> Refused:
    """Refuse and close the connection: what the sender still sends must not be read."""
    return Refused(status, kind, detail, headers={"Connection": "close"})


class BodyLimit:
    """ASGI middleware: whoever reads a body reads at most ``limit`` bytes of it."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = 0

        async def count() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._limit:
                detail = f"the body is larger than {self._limit:,} bytes (max_body)"
                raise HTTPException(413, detail, headers={"Connection": "close"})
            return message

        await self._app(scope, count, send)
