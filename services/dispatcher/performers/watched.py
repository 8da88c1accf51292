"""Guards the connections of code that opens its own: what a thread does while it is watched.

Python tells its audit hooks of each connection before it is made, with the address that is
connected to: after names were resolved, and also where a redirect leads.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from ipaddress import ip_address
from typing import Any, Final

from .guard import AddressRefused, refusal

_SENDING: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


class Watch(threading.local):
    """What is watched in the present thread.

    Attributes:
        allow_private: whether private addresses may be reached; None where nothing is watched.
        refused: why an address was refused, once one was.
    """

    allow_private: bool | None = None
    refused: str | None = None


@cache
def _watch() -> Watch:
    """Return the one watch of this process; an audit hook can't be removed again."""
    watch = Watch()

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _SENDING and watch.allow_private is not None:
            _check(watch, arguments[1])

    sys.addaudithook(hear)
    return watch


@contextmanager
def watched(*, allow_private: bool) -> Iterator[Watch]:
    """Refuse addresses that must not be reached, as long as the block of this thread takes."""
    watch = _watch()
    watch.allow_private, watch.refused = allow_private, None
    try:
        yield watch
    finally:
        watch.allow_private = None


def _check(watch: Watch, address: Any) -> None:
    if not isinstance(address, tuple):  # a path: a socket of this machine's own
        return
    why = _refusal(str(address[0]), allow_private=bool(watch.allow_private))
    if why is not None:
        watch.refused = why
        raise AddressRefused(why)


def _refusal(host: str, *, allow_private: bool) -> str | None:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return "a name that was not looked up before"
    return refusal(address, allow_private=allow_private)
