"""What services that take work from a group share: its making, FastStream's broker, its reading."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from faststream.redis import RedisBroker
from faststream.redis.prometheus import RedisPrometheusMiddleware
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from upshot.events.exceptions import EventsError
from upshot.events.store import Store

_BACKOFF: Final = ExponentialBackoff(cap=0.5, base=0.02)


async def make_group(store: Store, stream: str, group: str) -> None:
    """Make a group, from the stream's beginning, where it is missing."""
    try:
        await store.execute("XGROUP", "CREATE", stream, group, "0", "MKSTREAM")
    except EventsError as error:
        if "BUSYGROUP" not in str(error):
            raise


def broker_for(
    service: str, url: str, metrics: RedisPrometheusMiddleware, graceful_timeout: float | None
) -> RedisBroker:
    """Return a broker that tries without end where the store is away.

    Args:
        service: whose logger it has. url: of the store.
        graceful_timeout: seconds that what is under way gets when it stops.
    """
    return RedisBroker(
        url,
        apply_types=False,
        middlewares=[metrics],
        logger=logging.getLogger(f"faststream.{service}"),
        log_level=logging.DEBUG,
        graceful_timeout=graceful_timeout,
        # Without end: FastStream would rest five seconds after each error that it sees.
        retry=Retry(_BACKOFF, -1),
        socket_timeout=15.0,
    )


async def read(broker: RedisBroker, subscriber: Any, look: float) -> None:
    """Read for as long as a subscriber runs: it stops when its group is gone, and does not tell.

    Args:
        look: seconds between two looks at whether it still runs.
    """
    try:
        await broker.start()
        while subscriber.running:
            _heed_cancellation()
            await asyncio.sleep(look)
    finally:
        await broker.stop()


def _heed_cancellation() -> None:
    """Raise where this task was cancelled; a start of FastStream's swallows that at times."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
