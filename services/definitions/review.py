"""Reviews changes of automations before they are stored: refuses circles, warns of doubtful things.

changes → what is stored by now, kept in memory → circles through what changes → warnings, by change
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final, Protocol

import structlog

from upshot.automations.review.causes import Link, link_of
from upshot.automations.review.cycles import Cycle, Cycles
from upshot.events.store import Store

from ..exceptions import Refused
from .planning import Change, Verb
from .versions import definition_in

MOST_HELD_AGAINST: Final = 100
"""Changes of one review that are looked at for warnings: whoever applies more has tried some."""

PATIENCE: Final = 5.0
"""Seconds that a review looks for circles: thousands that all wait for each other take longer."""

_KIND: Final = "automation"


log = structlog.get_logger(__name__)


class Linter(Protocol):
    """Finds what may be wrong with the definition of an automation."""

    async def __call__(self, change: Change) -> list[dict[str, Any]]:
        """Return warnings: ``field`` and ``message``."""
        ...


class Review:
    """What is looked at before definitions change.

    Args:
        store: where they are kept. linter: warns of further things.
    """

    def __init__(self, store: Store, linter: Linter | None = None) -> None:
        self._store = store
        self._linter = linter
        self._cycles = Cycles()
        self._seen: int | None = None
        self._busy = asyncio.Lock()

    async def __call__(self, changes: Sequence[Change]) -> list[Change]:
        """Return the changes with their warnings.

        Raises:
            Refused: 422, automations would set each other off in a circle.
        """
        found: dict[str, list[dict[str, Any]]] = {}
        if about := [each for each in changes if _matters(each)]:
            async with self._busy:
                await self._catch_up()
                # Thousands take a while: not in the loop, where other requests would wait.
                found = await asyncio.to_thread(self._circles, about)
        if self._linter is not None:  # also what stays as it is: events may have come since
            kept = (each for each in changes if each.kind == _KIND and each.doc is not None)
            for change in islice(kept, MOST_HELD_AGAINST):
                warnings = await self._linter(change)
                found[change.name] = [*found.get(change.name, ()), *warnings]
        return [_with(each, found) for each in changes]

    async def _catch_up(self) -> None:
        """Learn what was stored since the last time."""
        keys, seen = self._store.keys, self._seen
        latest = int(await self._store.execute("GET", keys("changes")) or 0)
        if seen is None:
            stored = await self._store.execute("HGETALL", keys("docs", _KIND))
            await asyncio.to_thread(self._learn, stored.items())
        elif latest > seen:
            bounds = (f"({seen}", "+inf")
            names = await self._store.execute("ZRANGEBYSCORE", keys("changed", _KIND), *bounds)
            if names:
                found = await self._store.execute("HMGET", keys("docs", _KIND), *names)
                self._learn(zip(names, found, strict=True))
        self._seen = latest

    def _learn(self, stored: Iterable[tuple[bytes, bytes | None]]) -> None:
        for name, body in stored:
            link = None if body is None else link_of(definition_in(body))
            self._cycles.put(name.decode(), link)

    def _circles(self, about: Sequence[Change]) -> dict[str, list[dict[str, Any]]]:
        """Return a warning for each that may go round in a circle; refuse those that will."""
        before = {change.name: self._cycles.get(change.name) for change in about}
        try:
            for change in about:
                self._cycles.put(change.name, _link(change))
            if refused := list(self._certain(about)):
                raise _refused(refused)
            tried = about[:MOST_HELD_AGAINST]
            possible = {each.name: self._cycles.possible(each.name) for each in tried}
            return {name: [_warning(cycle)] for name, cycle in possible.items() if cycle}
        finally:
            for name, link in before.items():
                self._cycles.put(name, link)

    def _certain(self, about: Sequence[Change]) -> Iterator[dict[str, object]]:
        """Yield each circle once, at the first that goes round in it, as long as there is time."""
        until, told = time.monotonic() + PATIENCE, set[frozenset[str]]()
        for number, change in enumerate(about):
            if time.monotonic() > until:
                log.warning("circles not looked for", automations=len(about) - number)
                return
            cycle = self._cycles.certain(change.name)
            if cycle is not None and frozenset(cycle.names) not in told:
                told.add(frozenset(cycle.names))
                yield _refusal(change, cycle)


def _matters(change: Change) -> bool:
    return change.kind == _KIND and change.verb is not Verb.UNCHANGED


def _link(change: Change) -> Link | None:
    return None if change.doc is None else link_of(change.doc)


def _with(change: Change, warnings: dict[str, list[dict[str, Any]]]) -> Change:
    if change.kind != _KIND or not warnings.get(change.name):
        return change
    about = {"kind": change.kind, "name": change.name}
    return replace(change, warnings=tuple({**about, **each} for each in warnings[change.name]))


def _field(cycle: Cycle) -> str:
    action = cycle.steps[0].action
    return "trigger" if action is None else f"actions.{action}"


def _refusal(change: Change, cycle: Cycle) -> dict[str, object]:
    names = ", ".join(cycle.names)
    message = f"{cycle}; if that is intended, allow it with control.allow_cycles: [{names}]"
    return {"kind": change.kind, "name": change.name, "field": _field(cycle), "message": message}


def _warning(cycle: Cycle) -> dict[str, Any]:
    bound = "control.max_depth says how often in a row, once unless it is set"
    return {"field": _field(cycle), "message": f"may go round in a circle: {cycle}; {bound}"}


def _refused(errors: list[dict[str, object]]) -> Refused:
    detail = f"automations would set each other off for ever: {errors[0]['message']}"
    return Refused(422, "invalid-definition", f"{detail}; nothing was applied", errors=errors)
