"""One entry on its way: each of its actions in turn is decided, performed, and written down.

1. read the entry; one that can't be read is buried as it is
2. stop the firings that it replaces
3. leave out what is settled already (another delivery did it), or all when it was replaced itself
4. ``if``; fill the templates in
5. perform, in the receiver's lane and within the timeout
6. settle the outcome, or park the entry for a later try, or bury the action and go on
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import Final

import structlog
from pydantic import ValidationError
from pydantic_core import from_json

from upshot.automations.exceptions import AutomationsError
from upshot.automations.expressions.expression import Scope
from upshot.events.event import describe
from upshot.events.exceptions import EventsError
from upshot.events.store import Store
from upshot.flows.exceptions import FlowsError
from upshot.flows.states import timestamp

from ..exceptions import LaneFull, NeverFinished, ServicesError, TryFailed
from ..rendering import Renderer
from . import outcomes
from .compiled import compile_action
from .context import Contexts
from .entry import Entry, parse_entry
from .lanes import Lanes
from .ledger import Ledger
from .outcomes import Ending, Outcome
from .performing import Performer, job_of
from .replacing import Replacing
from .retrying import GivenUp, after_failure
from .suspects import SUSPECT, Suspects
from .trying import Step, Try

log = structlog.get_logger(__name__)

_EXPECTED: Final = (ServicesError, EventsError, FlowsError, AutomationsError, TimeoutError)


class Dispatch:
    """Does entries.

    Args:
        store: to look up what is settled. ledger: to write down what came of it.
        contexts: what templates see. performers: one for each type of action.
        replacing: stops firings for later ones. renderer: fills templates in.
    """

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        contexts: Contexts,
        performers: Iterable[Performer],
        replacing: Replacing,
        renderer: Renderer,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._contexts = contexts
        self._performers: Mapping[str, Performer] = {each.type: each for each in performers}
        self._replacing = replacing
        self._renderer = renderer
        self._lanes = Lanes()
        self._suspects = Suspects(store)

    async def do(self, entry_id: str, body: bytes) -> None:
        """Do what is left to do of one entry."""
        try:
            entry = parse_entry(body)
        except ValidationError as error:
            why = describe(error)
            log.error("entry of the actions stream can't be read", entry=entry_id, why=why)
            await self._ledger.bury(outcomes.poison_arguments(entry_id, body, why))
            return
        if entry.replaces and not entry.next:
            await self._replacing.stop_others(entry)
        settled = await self._settled(entry) if entry.began_before else {}
        act = self._alone if entry.n >= SUSPECT else self._action
        for index in range(entry.next, len(entry.actions)):
            if index in settled:
                if not _goes_on(entry, index, settled[index]):
                    break
                continue
            if index > entry.next:
                entry = entry.at_action(index)
            attempt = Try(
                entry_id, entry, index, size=len(body), started=timestamp(), waited=entry.waited
            )
            if await act(attempt) is Step.OVER:
                return
        await self._ledger.settle(outcomes.finish_arguments(entry_id, entry))

    async def _settled(self, entry: Entry) -> dict[int, str]:
        """Return how each action that is settled already ended, by index."""
        key = self._store.keys("firing", entry.firing)
        fields = await self._store.execute("HGETALL", key)
        return {
            int(index): from_json(outcome).get("outcome", "")
            for index, outcome in fields.items()
            if index.isdigit()
        }

    async def _alone(self, attempt: Try) -> Step:
        """Try an action of a suspect, or give it up."""
        try:
            async with self._suspects.alone(attempt.entry, attempt.index):
                return await self._action(attempt)
        except NeverFinished as error:
            return await self._give_up(attempt, error, exhausted=True)

    async def _action(self, attempt: Try) -> Step:
        """Try one action and write down what came of it."""
        by = await self._replacing.begin(attempt.entry, attempt.index)
        if by is not None:
            await self._replacing.leave_out_rest(attempt.entry_id, attempt.entry, attempt.index, by)
            return Step.OVER
        try:
            ending, detail = await self._try(attempt)
        except LaneFull as error:
            return await self._wait_for_lane(attempt, error)
        except _EXPECTED as error:
            return await self._failed(attempt, error)
        except Exception as error:
            log.exception("an action raised what it should not", firing=attempt.entry.firing)
            return await self._failed(attempt, error)
        await self._replacing.ended(attempt.entry, attempt.index)
        return await self._settle(attempt, attempt.outcome(ending, detail))

    async def _try(self, attempt: Try) -> tuple[Ending, str]:
        compiled = attempt.compiled = compile_action(attempt.entry.actions[attempt.index])
        context = await self._contexts.of(attempt.entry, compiled.needs)
        condition = compiled.action.condition
        if condition is not None:
            holds = condition.holds(Scope(context))
            attempt.condition = {"expression": condition.source, "holds": holds}
            if not holds:
                return Ending.SKIPPED, f"if: {condition.source} is false"
        request = await self._renderer.render(
            compiled.action, context, effort=compiled.effort, size=attempt.size
        )
        attempt.arguments = compiled.action.told(request.arguments)
        performer = self._performers[request.type]
        receiver = performer.receiver(request.arguments)
        place = self._lanes.place(receiver.name, receiver.places) if receiver else nullcontext()
        async with place:
            return Ending.SUCCEEDED, await self._perform(
                attempt, performer, request.arguments, compiled.timeout
            )

    async def _perform(
        self, attempt: Try, performer: Performer, arguments: dict[str, object], timeout: float
    ) -> str:
        entry = attempt.entry
        if attempt.index == 0 and attempt.waited is None:
            attempt.waited = max(0, int(time.time() * 1000) - entry.received)
        try:
            async with asyncio.timeout(timeout):
                return await performer.perform(arguments, job_of(entry, attempt.index))
        except TimeoutError as error:
            raise TimeoutError(f"no answer within {timeout:g} s") from error

    async def _settle(self, attempt: Try, outcome: Outcome) -> Step:
        entry, index = attempt.entry, attempt.index
        entry_id = attempt.entry_id if attempt.last else ""
        waited = attempt.waited if index == 0 and not entry.replays else None
        await self._ledger.settle(
            outcomes.settle_arguments(entry_id, entry, index, outcome, waited)
        )
        return Step.OVER if attempt.last else Step.NEXT

    async def _wait_for_lane(self, attempt: Try, error: LaneFull) -> Step:
        """Park the entry for a moment; its place is for others meanwhile."""
        delay = 1.0 + 2.0 * random.random()
        log.info("receiver is busy", firing=attempt.entry.firing, why=str(error))
        entry = attempt.entry
        parked = entry.at_action(attempt.index, entry.attempt, done=entry.done)
        await self._ledger.park(attempt.entry_id, parked, delay)
        return Step.OVER

    async def _failed(self, attempt: Try, error: Exception) -> Step:
        entry, index = attempt.entry, attempt.index
        following = after_failure(attempt.retries, entry.attempt, error, random.random())
        if isinstance(following, GivenUp):
            return await self._give_up(attempt, error, exhausted=following.exhausted)
        done = error.done if isinstance(error, TryFailed) else entry.done
        parked = entry.at_action(index, entry.attempt + 1, done=done, waited=attempt.waited)
        log.info(
            "action is tried again later", firing=entry.firing, index=index,
            delay=round(following.delay, 3), why=str(error),
        )  # fmt: skip
        await self._ledger.park(attempt.entry_id, parked, following.delay)
        return Step.OVER

    async def _give_up(self, attempt: Try, error: Exception, *, exhausted: bool) -> Step:
        """Bury an action; ``exhausted``: its tries are used up, and else another is no use."""
        entry, index = attempt.entry, attempt.index
        ending = Ending.DEAD_LETTERED if exhausted else Ending.FAILED
        detail = str(error) if isinstance(error, _EXPECTED) else f"{type(error).__name__}: {error}"
        outcome = attempt.outcome(ending, detail)
        log.warning("action given up", firing=entry.firing, index=index, why=detail)
        await self._ledger.bury(
            outcomes.bury_arguments(
                attempt.entry_id, entry, index, outcome, entry.rest_after(index)
            )
        )
        return Step.OVER


def _goes_on(entry: Entry, index: int, ending: str) -> bool:
    """Tell whether the actions after a settled one are still to be done."""
    return ending in (Ending.SUCCEEDED, Ending.SKIPPED) or entry.goes_on_after(index)
