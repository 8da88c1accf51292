"""Finds events by their positions: at hand, in the log, or in the archive."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from upshot.events.event import Recorded
from upshot.events.log import Log
from upshot.services.exceptions import HistoryUnavailable
from upshot.services.history.archive import Archive
from upshot.services.history.events import fetch

log = structlog.get_logger(__name__)


class Events:
    """Events by position.

    Args:
        log: where most of them are. archive: has what the log has no more; else that is missing.
        patience: seconds for which the archive is waited for.

    Attributes:
        at_hand: those that need not be fetched.
    """

    def __init__(self, log: Log, archive: Archive | None, patience: float) -> None:
        self._log = log
        self._archive = archive
        self._patience = patience
        self.at_hand: dict[str, Recorded] = {}

    async def of(self, positions: Sequence[str]) -> Mapping[str, Recorded]:
        """Return events by position: these, as far as they are to be had, and others."""
        missing = [each for each in positions if each not in self.at_hand]
        if not missing:
            return self.at_hand
        fetched = {event.position: event for event in await self._fetch(missing)}
        return {**fetched, **self.at_hand}

    async def _fetch(self, positions: Sequence[str]) -> list[Recorded]:
        """Return events from the log, and from the archive what was trimmed.

        A firing does not wait for a database that is out of reach: it goes without the oldest.
        """
        fetched = await self._log.fetch(positions)
        there = {event.position for event in fetched}
        trimmed = [each for each in positions if each not in there]
        if trimmed and self._archive is not None:
            try:
                async with asyncio.timeout(self._patience):
                    fetched += await fetch(self._archive, trimmed)
            except (HistoryUnavailable, TimeoutError) as error:
                log.warning("firing without its oldest events", reason=str(error) or "too slow")
        return fetched
