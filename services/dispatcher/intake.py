"""Takes entries from the group of dispatchers in batches, whatever the store goes through."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from faststream import AckPolicy
from faststream.redis import RedisBroker, StreamSub
from faststream.redis.message import FAKE_CONSUMER, RedisBatchStreamMessage
from faststream.redis.prometheus import RedisPrometheusMiddleware
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from upshot.events.keys import DISPATCHERS, Keys

log = structlog.get_logger(__name__)

MAX_RECORDS: Final = 64
POLL_MS: Final = 1000
LOOK: Final = 0.5
"""Seconds between two looks at whether the store and the group are still the same."""

Taking = Callable[[list[tuple[str, bytes]]], Awaitable[None]]


class Intake:
    """A subscription to the actions stream.

    The subscriber of FastStream waits long after a failed read and stops for good when its group
    is gone; this looks after the group and starts it again.

    Args:
        url: the store. consumer: this dispatcher's name in the group.
        take: gets each batch as ``(entry id, body)``; the next one is read when it returns.
        registry: where FastStream's metrics go.
    """

    def __init__(self, url: str, consumer: str, take: Taking, registry: CollectorRegistry) -> None:
        self._url = url
        self._stream = Keys()("actions")
        self._broker = RedisBroker(
            url,
            middlewares=[RedisPrometheusMiddleware(registry=registry)],
            logger=logging.getLogger("faststream.redis"),
            log_level=logging.DEBUG,
            apply_types=False,
            graceful_timeout=1.0,
        )
        self._subscriber = self._broker.subscriber(
            stream=StreamSub(
                self._stream,
                group=DISPATCHERS,
                consumer=consumer,
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
        self._subscriber(take)

    async def run(self) -> None:
        """Take entries as long as the task lives."""
        try:
            await self._look_after()
        finally:
            await self._broker.stop()

    async def _look_after(self) -> None:
        """Start the subscriber again whenever the connection or the group was lost."""
        started = False
        while True:
            try:
                async with self._connection() as redis:
                    await self._make_group(redis)
                    await self._restart() if started else await self._broker.start()
                    started = True
                    await self._watch(redis)
            except (RedisError, OSError) as error:
                log.warning("dispatcher lost the store", why=str(error))
            await asyncio.sleep(LOOK)

    async def _watch(self, redis: Redis) -> None:
        """Return when the group is gone or the subscriber stopped; raise when the store is away."""
        while self._subscriber.running:
            await asyncio.sleep(LOOK)
            if await self._make_group(redis):
                log.warning("the group of dispatchers was gone and is made anew")
                return

    async def _restart(self) -> None:
        await self._subscriber.stop()
        await self._subscriber.start()

    def _connection(self) -> Redis:
        # One connection of its own: that it breaks tells that the subscriber's broke, too.
        return Redis.from_url(
            self._url,
            single_connection_client=True,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=15.0,
            socket_connect_timeout=5.0,
        )

    async def _make_group(self, redis: Redis) -> bool:
        """Make the group from the stream's beginning; tell whether it was missing."""
        try:
            await redis.xgroup_create(self._stream, DISPATCHERS, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" in str(error):
                return False
            raise
        return True


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
