"""Reads a pool's queue: FastStream takes one entry whenever a slot is free, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from faststream import AckPolicy
from faststream.message import StreamMessage
from faststream.redis import StreamSub
from faststream.redis.prometheus import RedisPrometheusMiddleware
from prometheus_client import CollectorRegistry
from redis.exceptions import RedisError

from upshot.events.exceptions import EventsError
from upshot.events.keys import WORKERS
from upshot.events.store import Store

from ..subscribing import broker_for, make_group, read
from .claims import Waiting

log = structlog.get_logger(__name__)

_POLL_MS: Final = 2000
_LOOK_SECONDS: Final = 0.5

Take = Callable[[Waiting], Awaitable[None]]


async def _parse(message: Any) -> StreamMessage[Any]:
    """Make a message of an entry: our fields, not FastStream's envelope."""
    entry: bytes = message["message_ids"][0]
    return StreamMessage(
        raw_message=message,
        body=message["data"].get(b"r", b""),
        message_id=entry.decode(),
        correlation_id=entry.decode(),
    )


async def _decode(message: StreamMessage[Any]) -> Waiting:
    return Waiting(message.message_id, message.body.decode())


class Queue:
    """The queue of one pool, as one worker reads it.

    Args:
        store: where it is. pool: whose queue. worker: the consumer's name within the group.
        take: called with each entry; the next one is read when it returns.
        registry: where FastStream's middleware counts.
    """

    def __init__(
        self, store: Store, pool: str, worker: str, take: Take, registry: CollectorRegistry
    ) -> None:
        self._store = store
        self._pool = pool
        self._key = store.keys("queue", pool)
        self._worker = worker
        self._take = take
        self._metrics = RedisPrometheusMiddleware(registry=registry)

    async def run(self) -> None:
        """Read until cancelled, through restarts of the store and a vanished group."""
        backoff = 0.05
        while True:
            try:
                await self._read()
                backoff = 0.05
            except (RedisError, EventsError, OSError, TimeoutError) as error:
                log.warning("queue not readable", pool=self._pool, reason=str(error))
            except Exception:  # whatever it is, the flows that run here must not end for it
                log.exception("queue not readable", pool=self._pool)
            await asyncio.sleep(backoff)
            backoff = min(2.0, backoff * 2)

    async def create(self) -> None:
        """Make sure that the queue and its group are there, from the first entry on."""
        await make_group(self._store, self._key, WORKERS)
        await self._store.execute("SADD", self._store.keys("pools"), self._pool)

    async def _read(self) -> None:
        """Read for as long as FastStream's subscriber runs: it stops when the group is gone."""
        await self.create()
        broker = broker_for("worker", self._store.url, self._metrics, graceful_timeout=None)
        subscriber = broker.subscriber(
            stream=StreamSub(
                self._key,
                group=WORKERS,
                consumer=self._worker,
                polling_interval=_POLL_MS,
                max_records=1,
            ),
            parser=_parse,
            decoder=_decode,
            ack_policy=AckPolicy.MANUAL,
        )
        subscriber(self._take)
        await read(broker, subscriber, _LOOK_SECONDS)
        log.info("queue is read anew", pool=self._pool)
