"""Tells of each part when it becomes ready, as the API's ``/readyz`` sees it."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

_TIMEOUT: Final = 5.0  # seconds
_STATUSES: Final = (200, 503)
_WIDTH: Final = 12


@dataclass
class Announcer:
    """Prints one line for each part.

    Attributes:
        url: of the API. token: that it wants, if any.
        awaited: the parts that must become ready, as ``/readyz`` names them.
        workers: how many workers must be there.
    """

    url: str
    token: SecretStr | None
    awaited: list[str]
    workers: int
    _started: float = field(default_factory=time.monotonic, init=False)
    _told: set[str] = field(default_factory=set, init=False)

    def missing(self) -> list[str]:
        """Return the awaited parts that are not ready yet."""
        return [part for part in self.awaited if part not in self._told]

    def look(self) -> None:
        """Ask the API, and tell of what has become ready since."""
        parts = self._ask()
        if parts is None:
            return
        self.tell("api")
        for name in self.awaited:
            if self._is_ready(name, parts.get(name, {})):
                self.tell(name)

    def _is_ready(self, name: str, part: dict[str, Any]) -> bool:
        there = name != "workers" or part.get("workers", 0) >= self.workers
        return there and bool(part.get("ready"))

    def tell(self, part: str, remark: str = "") -> None:
        """Print that a part is ready, once."""
        if part in self._told:
            return
        self._told.add(part)
        after = time.monotonic() - self._started
        line = f"{part:<{_WIDTH}}ready after {after:.2f} s{f' ({remark})' if remark else ''}"
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - the command's own output

    def _ask(self) -> dict[str, Any] | None:
        """Return the parts in ``/readyz``, or None while the API does not answer."""
        address = urlsplit(self.url)
        connection = HTTPConnection(address.hostname or "", address.port, timeout=_TIMEOUT)
        try:
            connection.request("GET", "/readyz", headers=self._headers())
            response = connection.getresponse()
            body = response.read()
        except (OSError, HTTPException):  # it is starting, or starting again
            return None
        finally:
            connection.close()
        if response.status not in _STATUSES:
            return None
        parts: dict[str, Any] = json.loads(body)["parts"]
        return parts

    def _headers(self) -> dict[str, str]:
        return (
            {}
            if self.token is None
            else {"Authorization": f"Bearer {self.token.get_secret_value()}"}
        )
