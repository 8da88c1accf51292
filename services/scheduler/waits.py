"""Answers runs that wait for an event: reads the log for them, in order, and says what came.

waits in the store → each from its own place up to the cursor → all of them along the log
→ the run goes on with the event, once, as it must still wait for it → the cursor
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import structlog
from pydantic import ValidationError

from upshot.automations.index import Index
from upshot.automations.logtime import OpenTime
from upshot.automations.triggers.base import Facts
from upshot.events.event import Recorded, describe
from upshot.events.exceptions import IllegalTransition, NotFound, StaleEpoch
from upshot.events.log import BATCH, START, Log, order
from upshot.events.store import Store
from upshot.flows.exceptions import NotResumable
from upshot.flows.runs.registry import Runs
from upshot.services.engine.reading import Reader, Reading

from .awaited import Wait, Wanted

log = structlog.get_logger(__name__)

CONSUMER: Final = "waits"
_IDLE_SECONDS: Final = 0.25
_BLOCK_MS: Final = 1000
_PAUSED: Final = "flow-run.paused"


class Waits:
    """The waits of a shard; several may serve them, as a run is answered once.

    Args:
        store: where log and runs are.
    """

    def __init__(self, store: Store, lease_ms: int) -> None:
        self._store, self._log, self._reader = store, Log(store), Reader(store)
        self._runs = Runs(store, lease_ms=lease_ms)
        self._cursor: str | None = None
        self._known: dict[str, Wait] = {}
        self._index: Index[str] = Index()
        self._time, self._gaps = OpenTime(), 0

    async def work(self) -> float:
        """Read on for those who wait; return in how many seconds to do so again."""
        if not len(self._index):
            await self._load()
        if self._cursor is None or not len(self._index):
            return _IDLE_SECONDS
        reading = await self._reader.read(self._cursor, BATCH, wait_ms=_BLOCK_MS)
        await self._learn_time(reading)
        for event in reading.events:
            await self._meet(event, self._candidates(event))
            self._cursor = event.position
        if any(event.own and event.name == _PAUSED for event in reading.events):
            await self._load()  # before the cursor moves: it vouches for every wait behind it
        if reading.events and self._cursor is not None:
            await self._store.execute("HSET", self._store.keys("cursors"), CONSUMER, self._cursor)
        if reading.read_until is not None:
            await self._expire(reading.read_until)
        return 0.0

    async def _learn_time(self, reading: Reading) -> None:
        """Learn when the log was closed to outside senders, and whether it is now."""
        if reading.gaps != self._gaps:
            self._time, self._gaps = OpenTime(await self._reader.gaps()), reading.gaps
        self._time.hold(reading.closed_since)

    def _candidates(self, event: Recorded) -> list[Wait]:
        found = self._index.candidates(event.name, event.resource, event.related)
        return [self._known[run_id] for run_id in found]

    async def _load(self) -> None:
        """Learn of new waits, and read for each what came before; forget those that are over."""
        stored = await self._store.execute("HGETALL", self._store.keys("waits"))
        there = {run_id.decode(): at.decode() for run_id, at in stored.items()}
        for run_id, wait in list(self._known.items()):
            if there.get(run_id) != wait.at:
                self._index.remove(run_id)
                del self._known[run_id]
        if not there:
            self._cursor = None
            await self._store.execute("HDEL", self._store.keys("cursors"), CONSUMER)
            return
        read_to = await self._read_to()
        for run_id, at in there.items():
            if run_id not in self._known:
                await self._take(run_id, at, read_to)

    async def _read_to(self) -> str:
        """Return up to where somebody has read for all that waited by then; begin there."""
        if self._cursor is not None:
            return START
        stored = await self._store.execute("HGET", self._store.keys("cursors"), CONSUMER)
        cursor = stored.decode() if stored else await self._log.end()
        self._cursor = cursor
        return cursor if stored else START

    async def _take(self, run_id: str, at: str, read_to: str) -> None:
        """Take a wait that was registered at a log position, and read up to the cursor for it."""
        wait = await self._wait_of(run_id, at)
        self._keep(wait)
        if wait.wanted is None or self._cursor is None or order(at) <= order(read_to):
            return
        position = wait.since
        while order(position) < order(self._cursor):
            events = await self._log.range(f"({position}", self._cursor, BATCH)
            for event in events:
                if await self._meet(event, [wait]):
                    return
            if len(events) < BATCH:
                return
            position = events[-1].position

    def _keep(self, wait: Wait) -> None:
        """Know a wait; one that can't be answered only so that it is not taken again."""
        self._known[wait.run_id] = wait
        if wait.wanted is None:
            self._index.remove(wait.run_id)
        else:
            self._index.add(wait.run_id, wait.wanted.interest(), wait.run_id)

    async def _wait_of(self, run_id: str, at: str) -> Wait:
        """Return what a run waits for; one that can't be understood is told so."""
        try:
            run = await self._runs.get(run_id)
        except NotFound:
            return Wait(run_id, at)
        if run.pause is None or run.pause.awaits is None:
            return Wait(run_id, at)
        wait = Wait(run_id, at, run.attempt, run.pause)
        try:
            return replace(wait, wanted=Wanted.model_validate(run.pause.awaits))
        except ValidationError as error:
            await self._answer(wait, {"error": describe(error), "attempt": run.attempt})
            return wait

    async def _meet(self, event: Recorded, waits: Iterable[Wait]) -> bool:
        """Answer the runs that wait for this event; tell whether one did."""
        facts = Facts(event)
        met = [wait for wait in waits if wait.fits(event, facts, self._time)]
        for wait in met:
            answer = {"event": event.body, "position": event.position}
            await self._answer(wait, answer, f"{event.name} came")
        return bool(met)

    async def _expire(self, read_until: int) -> None:
        """Tell those whose time is over on the log that nothing came."""
        for wait in list(self._known.values()):
            if wait.wanted is not None and wait.is_over(read_until, self._time):
                answer = {"timeout": True, "attempt": wait.attempt}
                await self._answer(wait, answer, "the event did not come")

    async def _answer(self, wait: Wait, answer: dict[str, Any], message: str = "") -> None:
        try:
            await self._runs.answer(wait.run_id, wait.pause.key, answer, message)
        except (NotFound, NotResumable, IllegalTransition, StaleEpoch) as error:
            log.info("a run that waits can't go on", run=wait.run_id, reason=str(error))
        self._keep(replace(wait, wanted=None))
