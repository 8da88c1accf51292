"""The engine: reads the log, decides, and commits cursor, memory and firings in one step.

take the lease → recall what the last commit kept → then, as long as the lease is ours:
read the log → evaluate each event (pure) → fetch the bodies that a firing needs → commit
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final

import structlog

from upshot.automations.conditions.lookups import Question
from upshot.automations.control.judging import OF_EVENTS, answered
from upshot.automations.firing import Firing
from upshot.automations.outcomes import Asked, Outcome
from upshot.events.event import Recorded
from upshot.events.exceptions import InvalidEvent, RetryableEventsError, StaleEpoch
from upshot.events.log import Log
from upshot.events.settings import Settings
from upshot.events.store import Store
from upshot.services.history.archive import Archive
from upshot.services.leadership import Leadership

from . import committing
from .fetching import Events
from .lookups import Lookups
from .memory import DEFINING, Memory, recall, tell_unreadable
from .outcomes import FiringRecord, record, untold
from .reading import Reader, Reading
from .telling import Actions

log = structlog.get_logger(__name__)

IDLE_MS: Final = 1000
_ARCHIVE_PATIENCE: Final = 5.0  # seconds
CURSOR_ONLY_SECONDS: Final = 0.25
"""A cursor that moved past nothing of interest can wait: reading it again is harmless."""


class Engine:
    """One engine process: owner of the shard, or standing by.

    Args:
        store: the shard's store.
        lease_ms: for how long an owner that fell silent keeps the shard.
        archive: has the events that a firing needs and the log has no more; else they are missing.
    """

    def __init__(self, store: Store, *, lease_ms: int, archive: Archive | None = None) -> None:
        self._store = store
        self._archive = archive
        patience = min(_ARCHIVE_PATIENCE, lease_ms / 3000)
        self._events = Events(Log(store), archive, patience)
        self._reader = Reader(store)
        self._lookups = Lookups(store)
        self._lease_ms = lease_ms
        self._leadership = Leadership(store, "engine", lease_ms)
        self._renewed = 0.0
        self._moved = 0.0
        self._closed = False

    async def run(self) -> None:
        """Own the shard whenever it is free, until cancelled."""
        try:
            while True:
                try:
                    await self._stand_by()
                    await self._own()
                except StaleEpoch as error:
                    log.warning("lease lost", reason=str(error))
                except RetryableEventsError as error:
                    log.warning("engine starts over", reason=str(error))
                    await asyncio.sleep(0.1)
        finally:
            await self._leadership.step_down()

    async def _stand_by(self) -> None:
        while not await self._leadership.take():  # noqa: ASYNC110 - another process is asked
            await asyncio.sleep(self._lease_ms / 3000)
        self._renewed = time.monotonic()

    async def _own(self) -> None:
        memory = await recall(self._store, await self._reader.gaps(), self._renew)
        memory.archived = self._archive is not None and await self._archive.kept()
        log.info("engine owns the shard", epoch=self._leadership.epoch, cursor=memory.cursor)
        batch, wait_ms = committing.Batch(memory.cursor), 0
        while True:
            reading = await self._reader.read(batch.cursor, wait_ms=wait_ms)
            await self._learn_gaps(memory, reading)
            batch = await self._evaluate(memory, batch, reading.events)
            if reading.read_until is not None:
                batch = await self._advance(memory, batch, reading.read_until)
            batch = await self._commit(memory, batch)
            wait_ms = 0 if reading.read_until is None else self._idle_ms(memory, reading)

    async def _learn_gaps(self, memory: Memory, reading: Reading) -> None:
        """While the log is closed to senders time stands still: that is not silence."""
        memory.evaluator.hold(reading.closed_since)
        if self._closed != (reading.closed_since is not None):
            self._closed = reading.closed_since is not None
            log.info("log closed to senders" if self._closed else "log open to senders")
        if reading.gaps != memory.known_gaps:
            gaps = await self._reader.gaps()
            for start, end in gaps[memory.known_gaps :]:
                memory.evaluator.note_gap(start, end)
            memory.known_gaps = len(gaps)

    async def _evaluate(
        self, memory: Memory, batch: committing.Batch, events: Sequence[Recorded]
    ) -> committing.Batch:
        if events:
            self._events.at_hand = {event.position: event for event in events}
        for event in events:
            if not memory.evaluator.quiet_until(event.received):
                # What was due before is judged by the definitions that were in force then.
                batch = await self._advance(memory, batch, event.received)
            if event.own and event.name in DEFINING:
                memory.define(event)
            if outcomes := memory.evaluator.on_event(event):
                await self._keep(memory, batch, outcomes)
            batch.cursor = event.position
            batch.evaluated += 1
            if self._due(batch):
                batch = await self._commit(memory, batch)
        return batch

    async def _advance(self, memory: Memory, batch: committing.Batch, now: int) -> committing.Batch:
        """Judge what is due before a moment; commit in between where that is much."""
        while outcomes := memory.evaluator.advance(now, committing.MAX_DECISIONS):
            await self._keep(memory, batch, outcomes)
            if self._due(batch):
                batch = await self._commit(memory, batch)
        return batch

    def _due(self, batch: committing.Batch) -> bool:
        """Tell whether to commit at once: deciding took long, or came to much."""
        late = time.monotonic() - self._renewed > self._lease_ms / 3000
        return late or batch.decisions >= committing.MAX_DECISIONS

    async def _keep(
        self, memory: Memory, batch: committing.Batch, outcomes: Sequence[Outcome]
    ) -> None:
        """Put outcomes into the batch; what conditions ask for is answered first."""
        left, at, known = deque(outcomes), 0, dict[Question, Any]()
        while left:
            outcome = left.popleft()
            if not isinstance(outcome, Asked):
                batch.add(outcome, memory)
                continue
            if at != outcome.candidate.at or not known.keys() >= set(outcome.questions):
                at = outcome.candidate.at
                known = await self._answer([outcome, *left], at)
                await self._renew()
            answers = {each: known[each] for each in outcome.questions}
            left.extendleft(reversed(memory.evaluator.proceed(outcome, answers)))

    async def _answer(self, outcomes: Iterable[Outcome], at: int) -> dict[Question, Any]:
        """Look up what conditions ask for at a moment, in as few calls as can be."""
        asked = (each for each in outcomes if isinstance(each, Asked) and each.candidate.at == at)
        questions = {question for each in asked for question in each.questions}
        answers = await self._lookups.answer(
            [each for each in questions if each.function not in OF_EVENTS], at
        )
        for question in questions:
            if question.function in OF_EVENTS:  # their bodies are in the log
                answers[question] = answered(question, await self._events.of(question.arguments))
        return answers

    async def _commit(self, memory: Memory, batch: committing.Batch) -> committing.Batch:
        """Commit what there is; return the batch that the next decisions go into."""
        self._lookups.forget()
        epoch = self._leadership.epoch
        records = await self._records(memory, batch)
        arguments = committing.arguments(batch, memory, records, epoch, self._lease_ms)
        if arguments is None:
            waited = time.monotonic() - self._moved
            if batch.cursor == memory.cursor or waited <= CURSOR_ONLY_SECONDS:
                await self._renew()
                return batch
            arguments = committing.cursor_only(batch, memory, epoch, self._lease_ms)
        await self._store.call("commit", *arguments)
        self._renewed = self._moved = time.monotonic()
        memory.cursor = batch.cursor
        await tell_unreadable(self._store, memory)
        return committing.Batch(batch.cursor)

    async def _records(self, memory: Memory, batch: committing.Batch) -> list[FiringRecord]:
        """Put the firings together; commit ahead what is more than one call should hold."""
        records: list[FiringRecord] = []
        size = 0
        for decided in batch.firings:
            if len(records) >= committing.MAX_RECORDS or size >= committing.MAX_BYTES:
                epoch = self._leadership.epoch
                ahead = committing.ahead(memory, records, epoch, self._lease_ms)
                await self._store.call("commit", *ahead)
                records, size = [], 0
            if made := await self._told(memory, batch, *decided):
                records.append(made)
                size += len(made.entry)
        return records

    async def _told(
        self, memory: Memory, batch: committing.Batch, firing: Firing, actions: Actions
    ) -> FiringRecord | None:
        """Put a firing together; one that can't be told is suppressed and stops no other."""
        try:
            known = await self._events.of(firing.positions)
            events = [known[each] for each in firing.positions if each in known]
            return record(firing, actions, events)
        except (InvalidEvent, ValueError) as error:
            log.error("firing not recorded", automation=firing.automation, error=str(error))
            batch.suppressions.append(untold(firing, error))
            memory.evaluator.give_up(firing)
            return None

    async def _renew(self) -> None:
        if time.monotonic() - self._renewed > self._lease_ms / 3000:
            epoch = self._leadership.epoch
            if not await self._leadership.take() or self._leadership.epoch != epoch:
                raise StaleEpoch(f"the engine's lease of epoch {epoch} is gone")
            self._renewed = time.monotonic()

    def _idle_ms(self, memory: Memory, reading: Reading) -> int:
        """Return how long to wait for news: until the next deadline, at most a second."""
        until = memory.evaluator.next_deadline()
        idle = min(IDLE_MS, self._lease_ms // 3)
        if until is None or reading.closed_since is not None or reading.read_until is None:
            return idle
        return max(1, min(idle, until + 1 - reading.read_until))


async def run(settings: Settings, store_url: str) -> None:
    """Run the engine on the store at ``store_url`` until cancelled."""
    store = Store(store_url)
    archive = Archive.of(settings, store)
    try:
        await Engine(store, lease_ms=settings.lease_ms, archive=archive).run()
    finally:
        await archive.close()
        await store.close()
