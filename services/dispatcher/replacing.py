"""Stops firings that a later one replaces: what they have not begun is left out, runs cancelled.

Both sides look: who replaces marks the old firing and then cancels its runs; who does the old one
looks for the mark before each action, and after it has started a run. So no run is overlooked,
whichever of them comes first, and whichever is killed: what is left of its entry comes again.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from upshot.automations.actions.run_deployment import RunDeployment, run_id
from upshot.events.event import Causation
from upshot.events.exceptions import NotFound
from upshot.events.ids import derived_id
from upshot.events.store import Store
from upshot.flows.runs.registry import Runs
from upshot.flows.states import timestamp

from . import outcomes
from .entry import AutomationRef, Entry
from .ledger import Ledger
from .outcomes import Ending


class Replacing:
    """Stops firings.

    Args:
        store: where they are. ledger: where what is left out is settled. runs: what they started.
    """

    def __init__(self, store: Store, ledger: Ledger, runs: Runs) -> None:
        self._store = store
        self._ledger = ledger
        self._runs = runs

    async def begin(self, entry: Entry, index: int) -> str | None:
        """Begin an action; return the id of the firing that has replaced this one, if one has."""
        if not entry.stoppable:
            return None
        by: bytes = await self._store.call("begin", entry.firing, index)
        return by.decode() or None

    async def ended(self, entry: Entry, index: int) -> None:
        """Cancel the run that an action has started for a firing that was replaced meanwhile."""
        if not entry.stoppable or entry.type_of(index) != RunDeployment.type:
            return
        key = self._store.keys("firing", entry.firing)
        by = await self._store.execute("HGET", key, "replaced")
        if by is not None:
            await self._cancel_runs(entry, by.decode())

    async def stop_others(self, entry: Entry) -> None:
        """Stop the firings that this one replaces; those that are stopped already stay so."""
        for firing in entry.replaces:
            flat = await self._store.call("replace", firing, entry.firing)
            fields = dict(zip(flat[::2], flat[1::2], strict=True))
            old = _entry_of(from_json(fields[b"doc"])) if fields else None
            if old is not None:
                await self._stop(old, fields)

    async def _stop(self, old: Entry, fields: dict[bytes, bytes]) -> None:
        """Leave out what is neither settled nor under way, and cancel what was started."""
        by, under = fields[b"replaced"].decode(), fields.get(b"under")
        for index in range(len(old.actions)):
            if str(index).encode() not in fields and under != str(index).encode():
                await self._leave_out("", old, index, by)
        await self._cancel_runs(old, by)

    async def leave_out_rest(self, entry_id: str, entry: Entry, index: int, by: str) -> None:
        """Leave out what is left of a firing that was replaced, and be done with its entry."""
        await self._cancel_runs(entry, by)
        last = len(entry.actions) - 1
        for left in range(index, last + 1):
            begun = "; it was begun before" if left == index and entry.n + entry.attempt else ""
            await self._leave_out(entry_id if left == last else "", entry, left, by, begun)

    async def _leave_out(
        self, entry_id: str, entry: Entry, index: int, by: str, begun: str = ""
    ) -> None:
        """Settle an action as skipped; one that is settled already stays as it is."""
        told = f"replaced by firing {by}{begun}"
        outcome = outcomes.outcome_of(entry, index, Ending.SKIPPED, timestamp(), told)
        await self._ledger.settle(outcomes.settle_arguments(entry_id, entry, index, outcome, None))

    async def _cancel_runs(self, entry: Entry, by: str) -> None:
        started = [
            run_id(entry.firing, index)
            for index in range(len(entry.actions))
            if entry.type_of(index) == RunDeployment.type
        ]
        if not started:
            return
        cause = (derived_id("fired", by), await self._causation(by, entry))
        for run in started:
            try:
                await self._runs.cancel(run, f"replaced by firing {by}", cause)
            except NotFound:  # it was not started, or is long over
                continue

    async def _causation(self, by: str, entry: Entry) -> Causation:
        doc = await self._store.execute("HGET", self._store.keys("firing", by), "doc")
        if doc is None:
            return entry.causation
        return Causation.model_validate(from_json(doc)["causation"], extra="ignore")


def _entry_of(doc: dict[str, Any]) -> Entry | None:
    """Return the entry that a firing's record stands for, without its events, if it has actions."""
    if not doc["actions"]:
        return None
    return Entry(
        firing=doc["id"],
        automation=AutomationRef(
            id=doc["automation_id"], name=doc["automation"], version=doc["version"]
        ),
        bucket=doc["bucket"],
        reason=doc["reason"],
        at=doc["at"],
        received=doc["at"],
        cause=doc["cause"],
        events=[],
        actions=[{kind: {}} for kind in doc["actions"]],
        causation=doc["causation"],
    )
