"""Which addresses outgoing HTTP may reach, judged on the very address that is connected to."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

Address = IPv4Address | IPv6Address
AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]

_NAT64: Final = ip_network("64:ff9b::/96")
_METADATA: Final = frozenset(
    map(ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192"))
)
_SHARED: Final = ip_network("100.64.0.0/10")


class AddressRefused(OSError):
    """Outgoing HTTP may not connect to this address."""

    def __init__(self, why: str) -> None:
        super().__init__(errno.EACCES, f"the address is not allowed: {why}")


def refusal(address: Address, *, allow_private: bool) -> str | None:
    """Return why an address may not be connected to, or None when it may.

    Args:
        allow_private: whether loopback and private addresses may; what is link-local (where
            clouds keep their credentials), multicast, unspecified or reserved never may.
    """
    address = _within(address)
    if address in _METADATA:
        return "metadata service"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast:
        return "multicast"
    if address.is_unspecified or (address.version == 4 and address in ip_network("0.0.0.0/8")):
        return "unspecified"
    if address.is_loopback:
        return None if allow_private else "loopback"
    if address.is_reserved:
        return "reserved"
    if (address.is_private or address in _SHARED) and not allow_private:
        return "private"
    return None


def _within(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        return inner or address
    return address


def guarded_sockets(*, allow_private: bool) -> Callable[[AddressInfo], socket.socket]:
    """Return what makes a socket for a resolved address, or raises AddressRefused.

    It stands between resolving and connecting: no name is resolved again after the check.
    """

    def make(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, where = info
        address = ip_address(str(where[0]).partition("%")[0])
        why = refusal(address, allow_private=allow_private)
        if why is not None:
            raise AddressRefused(why)
        return socket.socket(family=family, type=kind, proto=protocol)

    return make
