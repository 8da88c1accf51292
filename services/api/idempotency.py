"""Requests that come again: a POST with an Idempotency-Key is done once, and answered as it was.

Events have a rule of their own: their ids come from the key, so the log knows them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Final

from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response

from upshot.events.ids import derived_id
from upshot.events.keys import Keys
from upshot.events.store import Store

from ..exceptions import Refused
from .parts import parts_of

_LONGEST_KEY: Final = 255
_UNDER_WAY_MS: Final = 10_000
"""After so long without an answer the process that had the request counts as gone."""
_LOOK: Final = 0.05
_LARGEST: Final = 64 * 1024
"""Bytes of an answer that are kept; a request with a larger one is done again."""
_KEPT: Final = ("content-type", "etag", "location")


def idempotency_key(request: Request) -> str | None:
    """Return the request's Idempotency-Key, or None; an absurd one is refused."""
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= _LONGEST_KEY:
        detail = f"Idempotency-Key: give 1 to {_LONGEST_KEY} characters"
        raise Refused(400, "wrong-idempotency-key", detail)
    return key


async def once(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    """Answer a request, the one with this key only for the first time.

    What was refused may be asked for again, also otherwise.

    Raises:
        Refused: the key came with another request; and what the handler raises.
    """
    key = idempotency_key(request) if request.method == "POST" else None
    if key is None:
        return await handle(request)
    store = parts_of(request).store
    place = place_of(store.keys, request.url.path, key)
    digest = digest_of(request.url.query, await request.body())
    there = await _claim(store, place, digest)
    if there:
        return _replay(there)
    kept = b""
    try:
        answer = await handle(request)
        kept = _kept(answer)
    finally:
        if not kept:
            await store.execute("DEL", place)
    life = int(parts_of(request).settings.dedup * 1000)
    await store.execute("SET", place, digest + kept, "PX", life)
    return answer


async def require_same(request: Request, body: bytes) -> None:
    """Do nothing, or refuse events whose key came with other ones: their ids would be the same."""
    if (key := idempotency_key(request)) is None:
        return
    parts, digest = parts_of(request), digest_of(request.url.query, body)
    place = place_of(parts.store.keys, request.url.path, key)
    there = await _set(parts.store, place, digest, int(parts.settings.dedup * 1000))
    if there is not None and there != digest:
        raise _other_request()


async def _claim(store: Store, place: str, digest: bytes) -> bytes:
    """Return how the request was answered before; nothing where it is to be done now."""
    while (there := await _set(store, place, digest, _UNDER_WAY_MS)) is not None:
        if not there.startswith(digest):
            raise _other_request()
        if answered := there[len(digest) :]:
            return answered
        await asyncio.sleep(_LOOK)  # it is done at this moment
    return b""


async def _set(store: Store, place: str, digest: bytes, life: int) -> bytes | None:
    """Note a request; return what was noted under its key before, which then stays."""
    there: bytes | None = await store.execute("SET", place, digest, "NX", "GET", "PX", life)
    return there


def place_of(keys: Keys, path: str, key: str) -> str:
    """Return where in the store a key of requests to a path is noted."""
    return keys("idempotency", derived_id(path, key))


def digest_of(query: str, body: bytes) -> bytes:
    """Return what tells two requests to the same path apart."""
    return sha256(f"{query}\n".encode() + body).digest()


def _kept(answer: Response) -> bytes:
    if not 200 <= answer.status_code < 300 or len(answer.body) > _LARGEST:
        return b""
    headers = {name: answer.headers[name] for name in _KEPT if name in answer.headers}
    return to_json([answer.status_code, headers, bytes(answer.body).decode()])


def _replay(kept: bytes) -> Response:
    status, headers, body = from_json(kept)
    return Response(body, status, {**headers, "Idempotency-Replayed": "true"})


def _other_request() -> Refused:
    detail = (
        "Idempotency-Key: this key came with another body before; a new request takes a new key"
    )
    errors: list[dict[str, object]] = [{"field": "Idempotency-Key", "message": detail}]
    return Refused(422, "idempotency-key-reused", detail, errors=errors)
