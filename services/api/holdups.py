"""What runs wait for, as answers tell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..holdups import Holdups, Reason
from .parts import Parts


class Waits:
    """What one run waits for, over time."""

    def __init__(self, parts: Parts) -> None:
        self._holdups = Holdups(parts.store, parts.catalog, parts.runs)
        self._told: str | None = None

    async def of(self, run: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what a run waits for now; None where nothing holds it."""
        found = await self._holdups.of(run)
        return None if found is None else found.to_dict()

    async def news(self, run: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what a run waits for, where that is something else than before.

        That a worker has no room yet is no news: it is over soon.
        """
        found = await self._holdups.of(run)
        if found is None or found.reason is Reason.WORKER or found.message == self._told:
            return None
        self._told = found.message
        return found.to_dict()
