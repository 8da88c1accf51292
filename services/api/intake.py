"""Tells the store that outside senders reach the log, for as long as this process serves.

Silence means something only while somebody could speak. A subscription to the channel ``intake``
shows that an API is there; it ends with this process, however it ends. The marker in the store,
moved again and again, says until when one was, and so tells of an API that is stopped but still
connected. Whoever comes first after a closure records its span.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog
from pydantic_core import to_json
from redis.exceptions import RedisError

from upshot.events.event import Event
from upshot.events.exceptions import EventsError
from upshot.events.store import Store, translate

from .rejections import Rejections

_BEAT: Final = 0.4
"""Seconds between two signs of life; the log counts as closed after more than two of them."""
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
_log = structlog.stdlib.get_logger()


class Intake:
    """Holds the log open while it runs.

    Args:
        store: whose log it is.
        rejections: counts that go to the store with each beat.
    """

    def __init__(self, store: Store, rejections: Rejections) -> None:
        self._store = store
        self._rejections = rejections
        self.opened = asyncio.Event()
        """Set once the log is known to be open."""

    async def run(self) -> None:
        """Hold the log open until cancelled, again after each loss of the connection."""
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._hold()
            except EventsError as error:
                if self.opened.is_set():
                    _log.warning("the store can't be told that senders are heard", why=str(error))
                    pause = _FIRST_PAUSE
                self.opened.clear()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _hold(self) -> None:
        """Record a closure, subscribe, then move the marker until the connection breaks."""
        channel = self._store.keys("intake")
        first = not await self._listeners(channel)
        await self._mark(reopen=first)
        connection = self._store.client.pubsub()
        try:
            await _translated(connection.subscribe(channel))
            await _translated(connection.get_message(timeout=_BEAT))  # the subscription stands
            self.opened.set()
            while True:
                await self._mark(reopen=False)
                await self._rejections.flush()
                await _translated(connection.get_message(timeout=_BEAT))
        finally:
            await connection.aclose()

    async def _listeners(self, channel: str) -> int:
        answer: Any = await self._store.execute("PUBSUB", "NUMSUB", channel)
        return int(next(iter(answer.values())) if isinstance(answer, dict) else answer[1])

    async def _mark(self, *, reopen: bool) -> None:
        event_id, prefix = opening()
        await self._store.call("hold_open", "1" if reopen else "0", event_id, prefix)


async def _translated(command: Any) -> Any:
    try:
        return await command
    except RedisError as error:
        raise translate(error) from error


def opening() -> tuple[str, bytes]:
    """Return the id of an event ``log.reopened`` and its JSON up to its payload, which is last."""
    event = Event(event="log.reopened", resource={"id": "log"})
    body = event.model_dump(mode="json", exclude={"payload"})
    return event.id, to_json(body)[:-1] + b',"payload":'
