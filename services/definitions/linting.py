"""Warns of fields that a definition reads and that no recorded event of the kind has."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

import structlog

from upshot.automations.review.fields import known_of, missing, names_of, reads_of
from upshot.events.event import Recorded
from upshot.events.log import recorded
from upshot.events.store import Store
from upshot.flows.runs.events import state_event
from upshot.flows.runs.flowrun import new_run
from upshot.flows.states import State

from ..exceptions import HistoryUnavailable
from ..history.archive import Archive
from ..history.filters import EventFilter
from .past import automation_of
from .planning import Change

SAMPLE: Final = 200
"""Events of a kind that are looked at."""

_FRESH: Final = 30.0
"""Seconds for which a sample is not taken again."""

_LOOKED_AT: Final = 2_000
"""Of the log's latest entries; what is rarer is found in the archive."""

_MOST_NAMES: Final = 10
_MOST_KEPT: Final = 1_000
_RUN: Final = "flow-run."

log = structlog.get_logger(__name__)


class Linter:
    """Looks at what definitions read, and at a sample of the events that they wait for.

    Args:
        store: has the log. archive: has what the log has no more.
    """

    def __init__(self, store: Store, archive: Archive | None = None) -> None:
        self._store = store
        self._archive = archive
        self._samples: dict[str, tuple[float, list[dict[str, Any]]]] = {}

    async def __call__(self, change: Change) -> list[dict[str, Any]]:
        """Return warnings: ``field`` and ``message``."""
        if change.doc is None:
            return []
        automation = automation_of(change.doc)
        names, reads = names_of(automation), reads_of(automation)
        if not reads or not 0 < len(names) <= _MOST_NAMES or any(_is_any(each) for each in names):
            return []
        samples = {name: await self._sample(name) for name in dict.fromkeys(names)}
        if not all(samples.values()):  # of some nothing is known: they may have anything
            return []
        bodies = [body for sample in samples.values() for body in sample]
        told = f"the last {len(bodies)} {' and '.join(samples)} events"
        return list(missing(reads, known_of([*bodies, *_own(names)]), told))

    async def _sample(self, name: str) -> list[dict[str, Any]]:
        taken, bodies = self._samples.get(name, (0.0, []))
        if time.monotonic() - taken < _FRESH:
            return bodies
        wanted = EventFilter.of(name, None)
        bodies = [event.body for event in await self._latest(wanted)]
        if len(bodies) < SAMPLE:
            bodies += [event.body for event in await self._archived(wanted)]
        if len(self._samples) >= _MOST_KEPT:
            self._samples.clear()
        if bodies:
            self._samples[name] = (time.monotonic(), bodies[:SAMPLE])
        return bodies[:SAMPLE]

    async def _latest(self, wanted: EventFilter) -> list[Recorded]:
        """Return the events that are meant among the log's latest."""
        key = self._store.keys("log")
        entries = await self._store.execute("XREVRANGE", key, "+", "-", "COUNT", _LOOKED_AT)
        likely = (recorded(entry) for entry in entries if wanted.needle in entry[1][1])
        return [event for event in likely if wanted.matches(event)]

    async def _archived(self, wanted: EventFilter) -> list[Recorded]:
        """Return the latest events that are meant, of those that the database has."""
        span: dict[str, Any] = {"before": None, "since": None, "until": None}
        try:
            reader = None if self._archive is None else await self._archive.reader()
            if reader is None:
                return []
            page = await reader.events_before(wanted, **span, limit=SAMPLE)
        except HistoryUnavailable as error:
            log.info("definition not held against the past", reason=str(error))
            return []
        return [event for event in page if wanted.matches(event)]


def _is_any(name: str) -> bool:
    return name.startswith("*")


def _own(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return an event of a run where such are waited for: not each of them has every field."""
    if not any(name.startswith(_RUN) for name in names):
        return []
    run = new_run("flow", state=State("Running"), deployment="flow/name", pool="p", tags=("tag",))
    return [state_event(run, run.state).model_dump(mode="json")]
