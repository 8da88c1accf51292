"""Performs call-webhook: one shared HTTP client whose every connection is guarded."""

from __future__ import annotations

import asyncio
import errno
from email.utils import parsedate_to_datetime
from functools import lru_cache
from time import time
from typing import Any, Final

import aiohttp
from multidict import CIMultiDict
from pydantic_core import to_json
from yarl import URL

import upshot

from ...exceptions import ActionFailed, TryFailed
from ..performing import Job, Receiver
from .guard import guarded_sockets

MAX_ANSWER: Final = 64 * 1024
_TARGETS_KEPT: Final = 1024
_WORTH_RETRYING: Final = frozenset({408, 425, 429})
_STALE: Final = (aiohttp.ServerDisconnectedError, ConnectionResetError, BrokenPipeError)


class CallWebhook:
    """Makes HTTP requests.

    Args:
        allow_private: whether private and loopback addresses may be reached.
        places: connections at a time; one receiver gets half of them.
    """

    type = "call-webhook"

    def __init__(self, *, allow_private: bool, places: int) -> None:
        self._places = max(1, places // 2)
        self._allow_private = allow_private
        self._client: aiohttp.ClientSession | None = None

    def receiver(self, arguments: dict[str, Any]) -> Receiver | None:
        return Receiver(_origin(arguments["url"]), self._places)

    async def perform(self, arguments: dict[str, Any], job: Job) -> str:
        method, url = arguments["method"], _url(arguments["url"])
        headers, body = _message(arguments, job)
        try:
            return await self._asked(method, url, headers, body)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failure(error) from error

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _asked(self, *request: Any) -> str:
        try:
            return await self._request(*request)
        except _STALE:
            # A kept connection that the receiver closed just then; the key makes a second go safe.
            return await self._request(*request)

    async def _request(
        self, method: str, url: URL, headers: CIMultiDict[str], body: bytes | None
    ) -> str:
        async with self._session().request(
            method, url, headers=headers, data=body, allow_redirects=False
        ) as answer:
            text = await _read(answer)
        return _judged(answer, text)

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            connector = aiohttp.TCPConnector(
                limit=0,
                keepalive_timeout=30,
                socket_factory=guarded_sockets(allow_private=self._allow_private),
            )
            self._client = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None),  # each action has its own
                auto_decompress=False,
                headers={
                    "User-Agent": f"upshot/{upshot.__version__}",
                    "Accept": "*/*",
                    "Accept-Encoding": "identity",  # nobody reads more of an answer than its start
                },
            )
        return self._client


def _message(arguments: dict[str, Any], job: Job) -> tuple[CIMultiDict[str], bytes | None]:
    """Return the request's headers and body; nobody's own headers replace the key."""
    body = arguments["body"]
    headers: CIMultiDict[str] = CIMultiDict()
    if isinstance(body, str):
        headers["Content-Type"] = "text/plain; charset=utf-8"
    elif body is not None:
        headers["Content-Type"] = "application/json"
        body = to_json(body)
    headers.update(arguments["headers"])
    headers["Idempotency-Key"] = job.key
    return headers, body.encode() if isinstance(body, str) else body


@lru_cache(maxsize=_TARGETS_KEPT)
def _origin(url: str) -> str:
    """Return who is asked at a URL: scheme, host and port."""
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
    return f"{scheme.lower()}://{host.lower()}"


@lru_cache(maxsize=_TARGETS_KEPT)
def _url(text: str) -> URL:
    try:
        url = URL(text)
    except ValueError as error:
        raise ActionFailed(f"url: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ActionFailed("url: only http and https addresses are called")
    return url


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """Return the answer's beginning; a longer one is cut off together with its connection."""
    length = 0
    kept: list[bytes] = []
    while length < MAX_ANSWER:
        piece = await answer.content.read(MAX_ANSWER - length)
        if not piece:
            return b"".join(kept)
        kept.append(piece)
        length += len(piece)
    if not answer.content.at_eof():
        answer.close()
    return b"".join(kept)


def _judged(answer: aiohttp.ClientResponse, text: bytes) -> str:
    """Return what a good answer was; raise for any other."""
    told = f"{answer.status} {answer.reason or ''}".strip()
    if 200 <= answer.status < 300:
        return told
    if 300 <= answer.status < 400:
        raise ActionFailed(f"{told}: redirects are not followed; call the address it leads to")
    shown = f"{told}: {text[:500].decode(errors='replace')}" if text else told
    if answer.status >= 500 or answer.status in _WORTH_RETRYING:
        raise TryFailed(shown, retry_after=_retry_after(answer), answered=True)
    raise ActionFailed(shown)


def _retry_after(answer: aiohttp.ClientResponse) -> float | None:
    """Return the seconds that the answer asks to wait, given as a number or as a date."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time()) if value else None
    except (ValueError, OverflowError):
        return None


def _failure(error: Exception) -> Exception:
    """Return what an error of the client means for the action."""
    if isinstance(error, asyncio.TimeoutError):
        return error
    inner = getattr(error, "os_error", error)
    if isinstance(inner, OSError) and inner.errno == errno.EACCES:
        return ActionFailed(inner.strerror or str(inner))
    if isinstance(error, ValueError):  # also aiohttp.InvalidURL
        return ActionFailed(f"the request can't be made: {error}")
    return TryFailed(f"{type(error).__name__}: {error}")
