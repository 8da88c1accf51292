"""Follows an event stream of the API over broken connections, without a gap."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from upshot.services.exceptions import RequestFailed, ServerUnreachable

from .printing import note

if TYPE_CHECKING:
    from upshot.services.client import Client, Query
    from upshot.services.event_stream import ServerEvent

_FIRST_WAIT: Final = 0.5  # seconds
_LONGEST_WAIT: Final = 10.0


def follow(
    client: Client, path: str, query: Query, last_id: str | None = None
) -> Iterator[ServerEvent]:
    """Yield messages up to the one named ``end``, with which the server ends a stream for good.

    The first connection must come about; later ones are tried again until they do, and go on
    after the last message seen.

    Raises:
        ServerUnreachable: nobody answers to begin with. RequestRefused: the query is wrong.
    """
    connected, wait = False, _FIRST_WAIT
    while True:
        try:
            for message in client.stream(path, query, last_id):
                connected, wait = True, _FIRST_WAIT
                last_id = message.id or last_id
                yield message
                if message.name == "end":
                    return
            connected = True
        except (ServerUnreachable, RequestFailed) as error:
            if not connected:
                raise
            note(f"{error}; trying again")
        time.sleep(wait)
        wait = min(wait * 2, _LONGEST_WAIT)
