"""Binds the API's address; `up` does so once, and it stays open while the API restarts."""

from __future__ import annotations

import ipaddress
import socket

from upshot.services.exceptions import AddressInUse

_BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at the address; port 0 takes a free one.

    Raises:
        AddressInUse: the address can't be listened at; the message says why.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        reason = error.strerror or str(error)
        raise AddressInUse(
            f"can't listen at {host}:{port}: {reason}; choose another --port or --host"
        ) from error
    listening.set_inheritable(True)
    return listening


def url_of(listening: socket.socket) -> str:
    """Return the address at which this machine reaches the socket."""
    host, port = listening.getsockname()[:2]
    address = ipaddress.ip_address(host.partition("%")[0])
    if address.is_unspecified:  # every address of this machine, loopback among them
        host = "::1" if address.version == 6 else "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
