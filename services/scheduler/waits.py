"""Answers runs that wait for an event: reads the log for them, in order, and says what came.

waits in the store → each from its own place up to the cursor → all of them along the log
→ the run goes on with the event, once, as it must still wait for it → the cursor
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import structlog
from pydantic import ValidationError

from upshot.automations.triggers.base import Facts
from upshot.automations.triggers.selection import Named, Names, Selecting
from upshot.events.event import Recorded, describe
from upshot.events.exceptions import IllegalTransition, NotFound, StaleEpoch
from upshot.events.log import BATCH, START, Log, order
from upshot.events.store import Store
from upshot.flows.exceptions import NotResumable
from upshot.flows.registry import Runs

log = structlog.get_logger(__name__)

CONSUMER: Final = "waits"
_IDLE_SECONDS: Final = 0.25
_BLOCK_MS: Final = 500
_PAUSED: Final = "flow-run.paused"


class Wanted(Selecting):
    """Which event a run waits for, in the words of a trigger.

    Attributes:
        expect: names or globs; empty means all that ``match``.
    """

    expect: Names = ()

    @cached_property
    def named(self) -> Named:
        return Named(self.expect or ("*",))

    def fits(self, facts: Facts) -> bool:
        return facts.name in self.named and self.refusal(None, facts) is None


@dataclass(frozen=True, slots=True, eq=False)
class Wait:
    """One run's wait.

    Attributes:
        at: log position at which it was registered. since: that after which events count.
        until: Unix ms at which it ends, if it does.
        wanted: None for one that can't be answered: nobody could go on with the run.
    """

    run_id: str
    key: str
    at: str
    attempt: int = 0
    wanted: Wanted | None = None
    since: tuple[int, int] = (0, 0)
    until: int | None = None

    def fits(self, event: Recorded, facts: Facts) -> bool:
        after = order(event.position) > self.since
        return after and self.wanted is not None and self.wanted.fits(facts)


class Waits:
    """The waits of a shard; several may serve them, as a run is answered once.

    Args:
        store: where log and runs are.
    """

    def __init__(self, store: Store, lease_ms: int) -> None:
        self._store, self._log = store, Log(store)
        self._runs = Runs(store, lease_ms=lease_ms)
        self._cursor: str | None = None
        self._known: dict[str, Wait] = {}

    async def work(self) -> float:
        """Read on for those who wait; return in how many seconds to do so again."""
        if not self._somebody_waits():
            await self._load()
        if self._cursor is None or not self._somebody_waits():
            return _IDLE_SECONDS
        page = await self._log.read(self._cursor)
        for event in page.events:
            await self._meet(event, self._known.values())
        self._cursor = page.cursor
        if any(event.own and event.name == _PAUSED for event in page.events):
            await self._load()  # before the cursor moves: it vouches for every wait behind it
        await self._store.execute("HSET", self._store.keys("cursors"), CONSUMER, self._cursor)
        await self._expire(page.read_until)
        if not page.events:
            await self._log.wait(self._cursor, _BLOCK_MS, 1)
        return 0.0

    def _somebody_waits(self) -> bool:
        return any(wait.wanted is not None for wait in self._known.values())

    async def _load(self) -> None:
        """Learn of new waits, and read for each what came before; forget those that are over."""
        stored = await self._store.execute("HGETALL", self._store.keys("waits"))
        there = {run_id.decode(): at.decode() for run_id, at in stored.items()}
        self._known = {
            run_id: wait for run_id, wait in self._known.items() if there.get(run_id) == wait.at
        }
        if not there:
            self._cursor = None
            await self._store.execute("HDEL", self._store.keys("cursors"), CONSUMER)
            return
        read_to = await self._read_to()
        for run_id, at in there.items():
            if run_id not in self._known:
                await self._take(run_id, at, read_to)

    async def _read_to(self) -> str | None:
        """Return up to where all known waits are read for; begin there."""
        if self._cursor is not None:
            return None
        stored = await self._store.execute("HGET", self._store.keys("cursors"), CONSUMER)
        self._cursor = stored.decode() if stored else await self._log.end()
        return self._cursor

    async def _take(self, run_id: str, at: str, read_to: str | None) -> None:
        """Take a wait that was registered at a log position, and read up to the cursor for it."""
        wait = self._known[run_id] = await self._wait_of(run_id, at)
        if self._cursor is None or (read_to is not None and order(at) <= order(read_to)):
            return
        position = "{}-{}".format(*wait.since)
        while order(position) < order(self._cursor):
            events = await self._log.range(f"({position}", self._cursor, BATCH)
            for event in events:
                if await self._meet(event, [wait]):
                    return
            if len(events) < BATCH:
                return
            position = events[-1].position

    async def _wait_of(self, run_id: str, at: str) -> Wait:
        """Return what a run waits for; one that can't be understood is told so."""
        try:
            run = await self._runs.get(run_id)
        except NotFound:
            return Wait(run_id, "", at)
        pause = run.pause
        if pause is None or pause.awaits is None:
            return Wait(run_id, "", at)
        wait = Wait(run_id, pause.key, at, run.attempt)
        try:
            wanted = Wanted.model_validate(pause.awaits)
        except ValidationError as error:
            await self._answer(wait, self._no_answer(wait, error=describe(error)))
            return wait
        return replace(wait, wanted=wanted, since=order(pause.since or START), until=pause.until)

    @staticmethod
    def _no_answer(wait: Wait, **why: object) -> dict[str, Any]:
        """Return what a run is told that gets no event; a later attempt waits anew."""
        return {**why, "attempt": wait.attempt}

    async def _meet(self, event: Recorded, waits: Iterable[Wait]) -> bool:
        """Answer the runs that wait for this event; tell whether one did."""
        facts = Facts(event)
        met = [wait for wait in waits if wait.fits(event, facts)]
        for wait in met:
            answer = {"event": event.body, "position": event.position}
            await self._answer(wait, answer, f"{event.name} came")
        return bool(met)

    async def _expire(self, read_until: int) -> None:
        """Tell those whose time is over on the log that nothing came."""
        for wait in list(self._known.values()):
            if wait.until is not None and read_until > wait.until:
                answer = self._no_answer(wait, timeout=True)
                await self._answer(wait, answer, "the event did not come")

    async def _answer(self, wait: Wait, answer: dict[str, Any], message: str = "") -> None:
        try:
            await self._runs.answer(wait.run_id, wait.key, answer, message)
        except (NotFound, NotResumable, IllegalTransition, StaleEpoch) as error:
            log.info("a run that waits can't go on", run=wait.run_id, reason=str(error))
        # It stays known, so that it is not taken again, until it is out of the store.
        self._known[wait.run_id] = replace(wait, wanted=None, until=None)
