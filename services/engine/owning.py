"""The owner of a shard: reads its log, decides, and commits cursor, memory and firings in one step.

read the log → evaluate each event (pure) → answer what conditions ask → fetch the bodies that a
firing needs → commit
"""

from __future__ import annotations

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
from upshot.events.exceptions import InvalidEvent
from upshot.events.store import Store
from upshot.services.leadership import Leadership

from . import committing
from .committing import Batch
from .fetching import Events
from .lookups import Lookups
from .memory import DEFINING, Memory, tell_unreadable
from .outcomes import FiringRecord, record, untold
from .reading import Reader, Reading
from .telling import Actions

log = structlog.get_logger(__name__)

IDLE_MS: Final = 1000
CURSOR_ONLY_SECONDS: Final = 0.25
"""A cursor that moved past nothing of interest can wait: reading it again is harmless."""


class Owner:
    """The engine for as long as it has the lease.

    Args:
        store: where it commits. leadership: the lease that it has.
        reader: reads the log. events: has the bodies that firings need.
        memory: what the last commit kept; from here on it is ahead of that by one batch.
    """

    def __init__(
        self, store: Store, leadership: Leadership, reader: Reader, events: Events, memory: Memory
    ) -> None:
        self._store = store
        self._leadership = leadership
        self._reader = reader
        self._events = events
        self._lookups = Lookups(store)
        self._memory = memory
        self._batch = Batch(memory.cursor)
        self._moved = 0.0
        self._closed = False

    async def run(self) -> None:
        """Follow the log, until cancelled.

        Raises:
            StaleEpoch: another engine is the owner.
            RetryableEventsError: the store is away; what was not committed is decided again.
        """
        wait_ms = 0
        while True:
            reading = await self._reader.read(self._batch.cursor, wait_ms=wait_ms)
            await self._learn_gaps(reading)
            await self._evaluate(reading.events)
            if reading.read_until is not None:
                await self._advance(reading.read_until)
            await self._commit()
            wait_ms = 0 if reading.read_until is None else self._idle_ms(reading)

    async def _learn_gaps(self, reading: Reading) -> None:
        """While the log is closed to senders time stands still: that is not silence."""
        memory = self._memory
        memory.evaluator.hold(reading.closed_since)
        if self._closed != (reading.closed_since is not None):
            self._closed = reading.closed_since is not None
            log.info("log closed to senders" if self._closed else "log open to senders")
        if reading.gaps != memory.known_gaps:
            gaps = await self._reader.gaps()
            for start, end in gaps[memory.known_gaps :]:
                memory.evaluator.note_gap(start, end)
            memory.known_gaps = len(gaps)

    async def _evaluate(self, events: Sequence[Recorded]) -> None:
        memory = self._memory
        if events:
            self._events.at_hand = {event.position: event for event in events}
        for event in events:
            if not memory.evaluator.quiet_until(event.received):
                # What was due before is judged by the definitions that were in force then.
                await self._advance(event.received)
            if event.own and event.name in DEFINING:
                memory.define(event)
            if outcomes := memory.evaluator.on_event(event):
                await self._keep(outcomes)
            self._batch.cursor = event.position
            self._batch.evaluated += 1
            await self._commit_if_due()

    async def _advance(self, now: int) -> None:
        """Judge what is due before a moment; commit in between where that is much."""
        while outcomes := self._memory.evaluator.advance(now, committing.MAX_DECISIONS):
            await self._keep(outcomes)
            await self._commit_if_due()

    async def _keep(self, outcomes: Sequence[Outcome]) -> None:
        """Put outcomes into the batch; what conditions ask for is answered first."""
        left, at, known = deque(outcomes), 0, dict[Question, Any]()
        while left:
            outcome = left.popleft()
            if not isinstance(outcome, Asked):
                self._batch.add(outcome, self._memory)
                continue
            if at != outcome.candidate.at or not known.keys() >= set(outcome.questions):
                at = outcome.candidate.at
                known = await self._answer([outcome, *left], at)
                await self._leadership.keep()
            answers = {each: known[each] for each in outcome.questions}
            left.extendleft(reversed(self._memory.evaluator.proceed(outcome, answers)))

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

    async def _commit_if_due(self) -> None:
        """Commit where deciding took long, or came to much."""
        if self._leadership.due or self._batch.decisions >= committing.MAX_DECISIONS:
            await self._commit()

    async def _commit(self) -> None:
        """Commit what there is; the next decisions go into a new batch."""
        self._lookups.forget()
        memory, batch = self._memory, self._batch
        commit = committing.of_batch(batch, memory, await self._records())
        if commit is None:
            waited = time.monotonic() - self._moved
            if batch.cursor == memory.cursor or waited <= CURSOR_ONLY_SECONDS:
                await self._leadership.keep()
                return
            commit = committing.of_cursor(batch, memory)
        await self._call(commit)
        self._leadership.renewed()
        self._moved = time.monotonic()
        memory.cursor = batch.cursor
        self._batch = Batch(batch.cursor)
        await tell_unreadable(self._store, memory)

    async def _records(self) -> list[FiringRecord]:
        """Put the firings together; commit ahead what is more than one call should hold."""
        records: list[FiringRecord] = []
        size = 0
        for firing, actions in self._batch.firings:
            if len(records) >= committing.MAX_RECORDS or size >= committing.MAX_BYTES:
                await self._call(committing.ahead(self._memory, records))
                records, size = [], 0
            if made := await self._record(firing, actions):
                records.append(made)
                size += len(made.entry)
        return records

    async def _record(self, firing: Firing, actions: Actions) -> FiringRecord | None:
        """Put a firing together; one that can't be told is suppressed and stops no other."""
        try:
            known = await self._events.of(firing.positions)
            events = [known[each] for each in firing.positions if each in known]
            return record(firing, actions, events)
        except (InvalidEvent, ValueError) as error:
            log.error("firing not recorded", automation=firing.automation, error=str(error))
            self._batch.suppressions.append(untold(firing, error))
            self._memory.evaluator.give_up(firing)
            return None

    async def _call(self, commit: committing.Commit) -> None:
        leadership = self._leadership
        await self._store.call("commit", *commit.arguments(leadership.epoch, leadership.ttl_ms))

    def _idle_ms(self, reading: Reading) -> int:
        """Return how long to wait for news: until the next deadline, at most a second."""
        until = self._memory.evaluator.next_deadline()
        idle = min(IDLE_MS, self._leadership.ttl_ms // 3)
        if until is None or reading.closed_since is not None or reading.read_until is None:
            return idle
        return max(1, min(idle, until + 1 - reading.read_until))
