"""Tells genuine deliveries: each preset's way to sign, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from ..exceptions import WrongSignature

Headers: TypeAlias = Mapping[str, str]
Check: TypeAlias = Callable[[str, Headers, bytes], None]

GITHUB: Final = "x-hub-signature-256"
GENERIC: Final = "x-signature-256"


def verify(preset: str, secret: str, headers: Headers, body: bytes) -> None:
    """Do nothing when the delivery is genuine.

    Args:
        preset: who signs how: ``github`` or ``generic``.
        headers: of the request, without regard to case.
        body: as it came, byte for byte.

    Raises:
        WrongSignature: it is not signed, or not with this secret, or no secret is set.
    """
    if not secret:
        raise WrongSignature("this webhook has no secret, so it takes no deliveries")
    check = _CHECKS.get(preset)
    if check is None:
        raise WrongSignature(f"nobody knows how to check the preset {preset!r}")
    check(secret, headers, body)


def sign(secret: str, body: bytes) -> str:
    """Return the signature of a body: ``sha256=`` and its HMAC in hexadecimal."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def same(given: str, right: str) -> bool:
    """Compare two secrets in a time that tells nothing of where they differ."""
    return hmac.compare_digest(given.encode(), right.encode())


def _require_hmac(name: str, secret: str, headers: Headers, body: bytes) -> None:
    given = headers.get(name, "")
    if not given:
        raise WrongSignature(f"the header {name} is missing")
    if not same(given, sign(secret, body)):
        raise WrongSignature(f"the header {name} does not fit body and secret")


def _check_github(secret: str, headers: Headers, body: bytes) -> None:
    _require_hmac(GITHUB, secret, headers, body)


def _check_generic(secret: str, headers: Headers, body: bytes) -> None:
    """Take an HMAC as GitHub's or, from senders that can't sign, the secret as bearer token."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if GENERIC not in headers and scheme.lower() == "bearer":
        if not same(token.strip(), secret):
            raise WrongSignature("the bearer token is not the webhook's secret")
        return
    _require_hmac(GENERIC, secret, headers, body)


_CHECKS: Final[dict[str, Check]] = {"github": _check_github, "generic": _check_generic}
