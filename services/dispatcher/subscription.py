"""Takes entries from the group of dispatchers in batches, whatever the store goes through."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self

import structlog
from faststream import AckPolicy
from faststream.redis import StreamSub
from faststream.redis.message import FAKE_CONSUMER, RedisBatchStreamMessage
from faststream.redis.prometheus import RedisPrometheusMiddleware
from prometheus_client import CollectorRegistry
from redis.exceptions import RedisError

from upshot.events.exceptions import EventsError
from upshot.events.keys import DISPATCHERS
from upshot.events.store import Store

from ..subscribing import broker_for, make_group, read

log = structlog.get_logger(__name__)

MAX_RECORDS: Final = 64
POLL_MS: Final = 1000
LOOK: Final = 0.25
"""Seconds between two looks at whether the subscriber still runs."""

Taking = Callable[[list[tuple[str, bytes]]], Awaitable[None]]


class Subscription:
    """A subscription to the actions stream.

    Args:
        store: where it is. consumer: this dispatcher's name in the group.
        take: gets each batch as ``(entry id, body)``; the next one is read when it returns.
        registry: where FastStream's metrics go.
    """

    def __init__(
        self, store: Store, consumer: str, take: Taking, registry: CollectorRegistry
    ) -> None:
        self._store = store
        self._stream = store.keys("actions")
        self._consumer = consumer
        self._take = take
        self._metrics = RedisPrometheusMiddleware(registry=registry)

    async def run(self) -> None:
        """Take entries as long as the task lives: FastStream stops when the group is gone."""
        while True:
            try:
                await make_group(self._store, self._stream, DISPATCHERS)
                await self._read()
                log.warning("the actions are read anew")
            except (RedisError, EventsError, OSError, TimeoutError) as error:
                log.warning("the actions can't be read", why=str(error))
            await asyncio.sleep(LOOK)

    async def _read(self) -> None:
        """Read for as long as the subscriber runs."""
        broker = broker_for("dispatcher", self._store.url, self._metrics, graceful_timeout=1.0)
        subscriber = broker.subscriber(
            stream=_Stream(
                self._stream,
                group=DISPATCHERS,
                consumer=self._consumer,
                batch=True,
                last_id=None,
                max_records=MAX_RECORDS,
                polling_interval=POLL_MS,
            ),
            parser=_parsed,
            decoder=_decoded,
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
        )
        subscriber(self._take)
        await read(broker, subscriber, LOOK)


class _Stream(StreamSub):
    """A stream whose name stays as it is: FastStream copies it anew for each time it reads."""

    def add_prefix(self, prefix: str) -> Self:
        return self


async def _parsed(message: Any) -> RedisBatchStreamMessage:
    """Wrap a batch as it came, whatever is in it: a bad entry must not hold up the others."""
    size = sum(len(value) for fields in message["data"] for value in fields.values())
    return RedisBatchStreamMessage(
        raw_message=message,
        body=range(size),  # nobody reads it: its length goes into a metric
        consumer=FAKE_CONSUMER,
        group=DISPATCHERS,
    )


async def _decoded(message: RedisBatchStreamMessage) -> list[tuple[str, bytes]]:
    raw = message.raw_message
    return [
        (entry_id.decode(), fields.get(b"f", b""))
        for entry_id, fields in zip(raw["message_ids"], raw["data"], strict=True)
    ]
