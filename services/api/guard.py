"""Who may ask: the bearer token, and protection of a loopback service from web pages."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from upshot.events.settings import Settings

from ..exceptions import Exposed
from .problems import problem
from .rejections import Rejections
from .signatures import same

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def check_exposure(settings: Settings) -> None:
    """Do nothing when the API may listen at ``settings.host``.

    Raises:
        Exposed: others than this machine could reach it, and no token is set.
    """
    if settings.api_token is None and not is_loopback(settings.host):
        raise Exposed(
            f"host {settings.host!r} lets others on the network in: set UPSHOT_API_TOKEN to a "
            "long random token, or listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address means this machine only."""
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def refuse(settings: Settings, method: str, path: str, headers: Headers) -> Response | None:
    """Decide on a request before it is read: None lets it pass.

    With a token, every request but ``/healthz`` carries it: as a bearer, or for browsers as the
    password of HTTP Basic. Deliveries to ``/hooks/`` are signed instead. Without a token the
    service is on loopback, where any web page could try to reach it: so the Host must be a name
    of this machine, and what changes something must not come from another site.
    """
    if path == "/healthz" or path.startswith("/hooks/"):
        return None
    token = settings.api_token
    if token is None:
        if not _is_own_host(settings, headers.get("host", "")):
            detail = "the Host header names another machine; use the address Upshot listens on"
            return problem(421, "wrong-host", detail)
    elif (scheme := _authorized_by(token.get_secret_value(), headers)) == "bearer":
        return None  # a web page can't send it unseen
    elif scheme is None:
        return _unauthorized(headers)
    if method not in _SAFE and _is_cross_site(headers):
        return problem(403, "cross-site", "the request comes from another web site")
    return None


def _is_own_host(settings: Settings, host: str) -> bool:
    name = _hostname(f"//{host}")
    own = {settings.host.strip("[]").lower(), _hostname(settings.url)}
    return name is not None and (is_loopback(name) or name in own)


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:  # a bracket without its other half
        return None


def _authorized_by(token: str, headers: Headers) -> str | None:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    given = given.strip()
    if scheme.lower() == "bearer" and same(given, token):
        return "bearer"
    if scheme.lower() == "basic" and same(_password(given), token):
        return "basic"
    return None


def _password(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _unauthorized(headers: Headers) -> Response:
    # What a page loads is asked for with other types; only browsers send the other header.
    browser = "text/html" in headers.get("accept", "") or "sec-fetch-mode" in headers
    challenge = 'Basic realm="Upshot", charset="UTF-8"' if browser else 'Bearer realm="Upshot"'
    return problem(
        401,
        "unauthorized",
        "send the header 'Authorization: Bearer <UPSHOT_API_TOKEN>'",
        headers={"WWW-Authenticate": challenge},
    )


def _is_cross_site(headers: Headers) -> bool:
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    host = headers.get("host", "").lower()
    return origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}")


class Guard:
    """ASGI middleware that asks :func:`refuse` first."""

    def __init__(self, app: ASGIApp, settings: Settings, rejections: Rejections) -> None:
        self._app = app
        self._settings = settings
        self._rejections = rejections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            answer = refuse(self._settings, scope["method"], scope["path"], headers)
            if answer is not None:
                self._rejections.count(_REASONS[answer.status_code])
                return await answer(scope, receive, send)
        elif scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        return await self._app(scope, receive, send)


_REASONS: Final = {401: "unauthorized", 403: "cross-site", 421: "wrong-host"}
