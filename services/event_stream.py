"""Reads server-sent events, as the API streams them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One message of an event stream: its id (to go on from), its name and its JSON."""

    id: str
    name: str
    data: Any


def whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines in chunks as soon as each is whole."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.rstrip(b"\r") for line in whole)


def parse_stream(lines: Iterable[bytes]) -> Iterator[ServerEvent]:
    """Yield the messages in the lines of a ``text/event-stream`` whose data is JSON."""
    fields: dict[str, str] = {}
    for raw in lines:
        line = raw.decode()
        if not line:
            if "data" in fields:
                data = json.loads(fields["data"])
                yield ServerEvent(fields.get("id", ""), fields.get("event", "message"), data)
            fields = {}
            continue
        name, _, value = line.partition(":")
        if name == "data" and name in fields:
            fields[name] += "\n" + value.removeprefix(" ")
        elif name:  # a line that begins with a colon is a comment
            fields[name] = value.removeprefix(" ")
