"""The one sweep for every consumer group: entries whose consumer is gone go to another one.

pending too long → claimed by the sweep → a run: to the end of its queue, if it still waits
                                        → an action: to the end of the stream, or a dead letter
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import structlog
from pydantic import ValidationError

from upshot.events.exceptions import EventsError
from upshot.events.keys import DISPATCHERS, WORKERS
from upshot.events.store import Store
from upshot.services.dispatcher.entry import parse_entry
from upshot.services.dispatcher.outcomes import poison_arguments

log = structlog.get_logger(__name__)

CONSUMER: Final = "sweep"
_COUNT: Final = 100
_IDLE_CONSUMER_MS: Final = 3600 * 1000


class Sweep:
    """Sweeps all groups of a shard.

    Args:
        idle_ms: after this long an entry that nobody finished counts as left behind.
    """

    def __init__(self, store: Store, idle_ms: int) -> None:
        self._store = store
        self._idle_ms = idle_ms

    async def run(self) -> None:
        """Sweep the actions and each pool's queue once."""
        async for entry, fields in self._left_behind("actions", DISPATCHERS):
            await self._action(entry, fields)
        for pool in await self._pools():
            async for entry, fields in self._left_behind(f"queue:{pool}", WORKERS):
                again = await self._store.call("requeue", pool, entry, fields.get(b"r", b""))
                log.info("entry left behind", pool=pool, requeued=bool(again), entry=entry)

    async def _pools(self) -> list[str]:
        members = await self._store.execute("SMEMBERS", self._store.keys("pools"))
        return sorted(member.decode() for member in members)

    async def _left_behind(
        self, stream: str, group: str
    ) -> AsyncIterator[tuple[str, dict[bytes, bytes]]]:
        """Claim and yield the entries of a group that are pending for too long."""
        cursor, key = "0-0", self._store.keys(stream)
        while True:
            options = (self._idle_ms, cursor, "COUNT", _COUNT)
            try:
                answer = await self._store.execute("XAUTOCLAIM", key, group, CONSUMER, *options)
            except EventsError as error:
                if "NOGROUP" in str(error):  # nobody has served it yet
                    return
                raise
            for entry, fields in answer[1]:
                yield entry.decode(), as_dict(fields)
            cursor = answer[0].decode()
            if cursor == "0-0":
                return

    async def _action(self, entry_id: str, fields: dict[bytes, bytes]) -> None:
        body = fields.get(b"f", b"")
        try:
            entry = parse_entry(body)
        except ValidationError as error:
            await self._store.call("bury", *poison_arguments(entry_id, body, str(error)))
            return
        again = entry.model_copy(update={"n": entry.n + 1}).to_json()
        await self._store.call("redeliver", "actions", DISPATCHERS, entry_id, "f", again)
        log.info("action left behind", firing=entry.firing, deliveries=entry.n + 1)

    async def forget_consumers(self) -> None:
        """Drop consumers that are idle for an hour and have nothing pending."""
        streams = [("actions", DISPATCHERS)]
        streams += [(f"queue:{pool}", WORKERS) for pool in await self._pools()]
        for stream, group in streams:
            await self._forget_consumers(self._store.keys(stream), group)

    async def _forget_consumers(self, key: str, group: str) -> None:
        try:
            answer = await self._store.execute("XINFO", "CONSUMERS", key, group)
        except EventsError as error:
            if "NOGROUP" in str(error) or "no such key" in str(error):
                return
            raise
        for consumer in map(as_dict, answer):
            if consumer[b"pending"] == 0 and consumer[b"idle"] > _IDLE_CONSUMER_MS:
                await self._store.execute("XGROUP", "DELCONSUMER", key, group, consumer[b"name"])


def as_dict(answer: Any) -> dict[bytes, Any]:
    """Read a map, which RESP2 and some commands give as a flat list."""
    if isinstance(answer, dict):
        return answer
    return dict(zip(answer[::2], answer[1::2], strict=True))
