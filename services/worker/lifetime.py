"""A worker's life in its process: a first cancellation drains it, a second one hurries it."""

from __future__ import annotations

import asyncio
import os
import socket

from prometheus_client import CollectorRegistry

from upshot.events.settings import Settings
from upshot.events.store import Store

from .service import Worker


async def serve(
    settings: Settings,
    store_url: str,
    pool: str,
    name: str | None,
    *,
    registry: CollectorRegistry | None,
) -> None:
    """Run a worker until cancelled; see ``upshot.services.worker.run``."""
    store = Store(store_url)
    worker = Worker(
        store,
        settings,
        pool,
        name or f"{socket.gethostname()}-{os.getpid()}",
        registry=registry or CollectorRegistry(),
    )
    work = asyncio.create_task(worker.run(), name="worker")
    try:
        await _until_done(worker, work)
    finally:
        await store.close()


async def _until_done(worker: Worker, work: asyncio.Task[None]) -> None:
    """Wait for the end of the work; a cancellation asks for it and is passed on afterwards."""
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            cancelled = error
            worker.stop()
    await work
    if cancelled is not None:
        raise cancelled
