"""The HTTP client of the API, for the command line and for scripts: blocking, JSON in and out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import requests
from requests.exceptions import ChunkedEncodingError, InvalidURL, Timeout
from requests.exceptions import ConnectionError as NoConnection

from .event_stream import ServerEvent, parse_stream, whole_lines
from .exceptions import RequestFailed, RequestRefused, ServerUnreachable, TerminalServicesError

Query: TypeAlias = Mapping[str, str | int | bool | None]
Item: TypeAlias = dict[str, Any]

_PREFIX: Final = "/api/v1"
_PAGE: Final = 1000
_UNREACHABLE: Final = (NoConnection, Timeout, ChunkedEncodingError)
_NDJSON: Final = {"Content-Type": "application/x-ndjson"}
_STREAM_SILENCE: Final = 60.0  # seconds; the API sends a comment more often than that


class Client:
    """Talks to one Upshot.

    Args:
        url: its address, ``http://host:port``.
        token: bearer token, where it wants one.
        timeout: seconds until a request that is not answered is given up.
        reads_of: data folder that is only looked at, as no service runs with it.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        reads_of: str | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._reads_of = reads_of
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy and no ~/.netrc stands between us and our service
        self._http.headers["Accept"] = "application/json"
        if token:
            self._http.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, query: Query | None = None) -> Any:
        """Return what ``GET /api/v1<path>`` answers.

        Raises:
            ServerUnreachable: nobody answers. RequestRefused, RequestFailed: with the reason.
        """
        return self._json("GET", path, params=_given(query))

    def post(
        self,
        path: str,
        body: Any = None,
        query: Query | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send JSON to ``POST /api/v1<path>`` and return the answer; see ``get``."""
        return self._json("POST", path, json=body, params=_given(query), headers=headers)

    def lines(self, path: str, body: Any) -> Iterator[Item]:
        """Send JSON to ``POST /api/v1<path>`` and yield each JSON line of the answer; see ``get``.

        Raises:
            ServerUnreachable: also when the connection breaks in between.
        """
        broken = f"{self.url} went away before the answer's end"
        with self._lines("POST", path, broken, json=body) as lines:
            for line in lines:
                yield json.loads(line)

    def put(self, path: str, body: Any, *, headers: Mapping[str, str] | None = None) -> Any:
        """Send JSON to ``PUT /api/v1<path>`` and return the answer; see ``get``."""
        return self._json("PUT", path, json=body, headers=headers)

    def delete(self, path: str) -> Any:
        """Return what ``DELETE /api/v1<path>`` answers; see ``get``."""
        return self._json("DELETE", path)

    def send_lines(self, lines: Iterable[bytes]) -> Item:
        """Send events as NDJSON; return how many were ``accepted`` and were ``duplicates``."""
        body = b"\n".join(lines)
        answer: Item = self._json("POST", "/events", data=body, headers=_NDJSON)
        return answer

    def items(self, path: str, query: Query | None = None, limit: int | None = None) -> list[Item]:
        """Return a list's items over as many pages as ``limit`` needs (None: all there are)."""
        return list(self.iterate(path, query, limit))

    def iterate(
        self, path: str, query: Query | None = None, limit: int | None = None
    ) -> Iterator[Item]:
        """Yield a list's items, page by page as they are needed."""
        cursor, left = None, limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(left, _PAGE)
            page = self.get(path, {**(query or {}), "limit": size, "cursor": cursor})
            yield from page["items"]
            left = None if left is None else left - len(page["items"])
            cursor = page["next"]
            if cursor is None:
                return

    def readiness(self) -> Item:
        """Return what ``/readyz`` tells of each part, ready or not."""
        response = self._send("GET", "/readyz")
        if response.status_code not in (200, 503):
            raise _refusal(response)
        return _decoded(response)  # type: ignore[no-any-return]

    def stream(
        self, path: str, query: Query | None = None, last_id: str | None = None
    ) -> Iterator[ServerEvent]:
        """Yield the messages of an event stream until the server closes it.

        Args:
            last_id: go on after the message of this id.

        Raises:
            ServerUnreachable: the connection broke; call again with the last id seen.
        """
        headers = {"Accept": "text/event-stream"}
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        timeout = (self._timeout, _STREAM_SILENCE)
        broken, params = f"{self.url} went away while it was followed", _given(query)
        with self._lines(
            "GET", path, broken, params=params, headers=headers, timeout=timeout
        ) as lines:
            yield from parse_stream(lines)

    @contextmanager
    def _lines(self, method: str, path: str, broken: str, **how: Any) -> Iterator[Iterator[bytes]]:
        """Give the lines of an answer as they come; ``broken`` says that they ended too early."""
        with self._send(method, _PREFIX + path, stream=True, **how) as response:
            if not response.ok:
                raise _refusal(response)
            try:
                yield whole_lines(response.iter_content(chunk_size=None))
            except _UNREACHABLE as error:
                raise ServerUnreachable(broken) from error

    def _json(self, method: str, path: str, **how: Any) -> Any:
        response = self._send(method, _PREFIX + path, **how)
        if not response.ok:
            raise _refusal(response)
        return _decoded(response) if response.content else None

    def _send(self, method: str, target: str, **how: Any) -> requests.Response:
        how.setdefault("timeout", self._timeout)
        if self._reads_of is not None and method != "GET":
            raise ServerUnreachable(
                f"no Upshot runs with {self._reads_of}, so it can only be looked at; start one "
                f"with `upshot up --data-dir {self._reads_of}`"
            )
        try:
            return self._http.request(method, self.url + target, allow_redirects=False, **how)
        except Timeout as error:
            raise ServerUnreachable(f"{self.url} does not answer in time") from error
        except _UNREACHABLE as error:
            raise ServerUnreachable(
                f"no Upshot answers at {self.url}; start one with `upshot up`, or set UPSHOT_URL"
            ) from error
        except (InvalidURL, ValueError) as error:  # requests' other errors of an address
            raise TerminalServicesError(f"UPSHOT_URL: {error}") from error


def _given(query: Query | None) -> dict[str, str | int]:
    """Leave out what was not asked for; booleans as JSON writes them."""
    given = {name: value for name, value in (query or {}).items() if value is not None}
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in given.items()
    }


def _decoded(response: requests.Response) -> Any:
    try:
        return response.json()
    except requests.JSONDecodeError as error:
        raise RequestRefused(
            f"what answers at {response.url} is no Upshot: {response.text[:80]!r}"
        ) from error


def _refusal(response: requests.Response) -> RequestRefused | RequestFailed:
    """Return the error that a problem document describes."""
    if response.status_code == 401:
        return RequestRefused("the service wants a token: UPSHOT_API_TOKEN is missing or wrong")
    try:
        problem = response.json()
        text = str(problem.get("detail") or problem.get("title") or response.reason)
        errors = problem.get("errors") or []
    except (requests.JSONDecodeError, AttributeError):
        text, errors = response.text[:200] or str(response.reason), []
    message = "\n  ".join([text, *map(_error_line, errors if len(errors) > 1 else [])])
    if response.status_code >= 500:
        return RequestFailed(message)
    return RequestRefused(message, errors, response.status_code)


def _error_line(error: Mapping[str, Any]) -> str:
    """Put one of a problem's errors in a line: ``index 3, field resource.id: …``."""
    place = ", ".join(f"{key} {error[key]}" for key in ("index", "field") if key in error)
    message = str(error.get("message", ""))
    return f"{place}: {message}" if place else message
