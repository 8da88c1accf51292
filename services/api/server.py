"""Serves the API: uvicorn in the event loop of its caller, ended in order when it is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator, Sequence
from functools import partial
from typing import Any, Final, cast

import structlog
import uvicorn

from upshot.events.settings import Settings
from upshot.events.store import Store

from ..exceptions import RetryableServicesError
from ..listening import listen
from .app import create_app
from .guard import check_exposure
from .protocol import BoundedProtocol, most_connections

_BACKLOG: Final = 2048
_GRACE: Final = 5
"""Seconds that requests under way have when the service ends."""
_KEEP_ALIVE: Final = 75
_log = structlog.stdlib.get_logger()


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def run(
    settings: Settings, store_url: str, *, sockets: Sequence[socket.socket] | None = None
) -> None:
    """Serve the API until cancelled; then finish what is under way and end.

    Args:
        settings: where to listen, who may ask.
        store_url: the store.
        sockets: sockets that listen already, instead of one at ``settings.host`` and ``port``.

    Raises:
        Exposed: others could reach it, and no token is set. AddressInUse: it can't listen there.
    """
    check_exposure(settings)
    listening = list(sockets) if sockets else [listen(settings.host, settings.port)]
    store = Store(store_url)
    try:
        await store.load_functions()
        await serve(settings, store, listening)
    finally:
        for each in listening:
            each.close()
        await store.close()


async def serve(settings: Settings, store: Store, sockets: Sequence[socket.socket]) -> None:
    """Serve on these sockets and this store until cancelled."""
    app = create_app(settings, store)
    server = _Server(_config(app))
    serving = asyncio.create_task(server.serve(sockets=list(sockets)))
    try:
        await asyncio.shield(serving)
        if not server.started:
            raise RetryableServicesError("the API could not start; its log says why")
    finally:
        app.state.parts.stopping.set()
        await app.state.parts.tail.close()  # else those who follow it would outlast the grace
        server.should_exit = True
        await serving


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",  # the caller's
        http=cast(Any, partial(BoundedProtocol, most=most_connections())),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_GRACE,
    )
