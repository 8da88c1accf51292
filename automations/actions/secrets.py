"""Hides what may be a secret in what the record of a firing shows of a request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

HIDDEN: Final = "********"
_SECRET: Final = re.compile(
    r"auth|cookie|token|secret|passw|pwd|api-?_?key|access-?_?key|signature|credential|^key$|^sig$",
    re.IGNORECASE,
)


def masked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers without the values of those that may be secret."""
    return {name: HIDDEN if _SECRET.search(name) else value for name, value in headers.items()}


def masked_url(url: str) -> str:
    """Return an address without its password and the parameters that may be secret."""
    if "@" not in url and "?" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return HIDDEN
    user, at, host = parts.netloc.rpartition("@")
    named, colon, _ = user.partition(":")
    netloc = f"{named}{colon and ':' + HIDDEN}{at}{host}"
    return urlunsplit(parts._replace(netloc=netloc, query=_masked_query(parts.query)))


def _masked_query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    if not any(_SECRET.search(name) for name, _ in pairs):
        return query
    masked = [(name, HIDDEN if _SECRET.search(name) else value) for name, value in pairs]
    return urlencode(masked, safe="*")
