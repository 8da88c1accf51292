"""The worker: takes runs from its pool's queue and gives each a process of its own.

This file stays light: the processes that fork flows load it too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from upshot.events.settings import Settings


async def run(
    settings: Settings,
    store_url: str,
    pool: str = "default",
    name: str | None = None,
    *,
    registry: CollectorRegistry | None = None,
) -> None:
    """Run a worker for a pool until cancelled.

    Cancelled once, it drains: it takes nothing new and waits for its flows, for `worker_grace`, and
    hands over those that have not ended. Cancelled again, it does so at once.

    Args:
        settings: how many flows at a time, how many warm parents, how long a lease and a drain.
        store_url: address of the store.
        pool: the work pool whose queue it serves.
        name: of this worker; by default made of host and process id.
        registry: where FastStream counts what it reads.
    """
    from .lifetime import serve

    await serve(settings, store_url, pool, name, registry=registry)
