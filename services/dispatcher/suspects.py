"""Suspects: entries that were given out again and again are done alone, and each beginning counts.

A dispatcher that dies takes all that it has in hand along. What was the cause shows only when it is
done with no other suspect beside it: then the rest comes through, and the cause is given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from upshot.events.store import Store

from ..exceptions import NeverFinished
from .entry import Entry

SUSPECT: Final = 3
"""An entry that was given out again so often is a suspect."""
MOST_BEGINNINGS: Final = 3
"""A suspect's action is begun so often at most."""


class Suspects:
    """The suspects of one dispatcher, one at a time.

    Args:
        store: where beginnings are counted, with the firing.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._place = asyncio.Lock()

    @asynccontextmanager
    async def alone(self, entry: Entry, index: int) -> AsyncIterator[None]:
        """Hold the one place for the time of an action.

        Raises:
            NeverFinished: it was begun too often.
        """
        async with self._place:
            key = self._store.keys("firing", entry.firing)
            begun = await self._store.execute("HINCRBY", key, f"begun:{index}", 1)
            if begun > MOST_BEGINNINGS:
                raise NeverFinished(
                    f"begun {MOST_BEGINNINGS} times and never finished: it seems to end dispatchers"
                )
            yield
