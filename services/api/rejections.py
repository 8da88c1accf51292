"""Counts what was turned away, in memory first: a flood of it must not reach the store."""

from __future__ import annotations

from collections import Counter

from upshot.events.exceptions import RetryableEventsError
from upshot.events.store import Store


class Rejections:
    """How many requests were refused, by reason; ``flush`` moves the counts to the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counts: Counter[str] = Counter()

    def count(self, reason: str) -> None:
        self._counts[reason] += 1

    async def flush(self) -> None:
        """Add what gathered to the store's counters; what it can't take now waits."""
        counts, self._counts = self._counts, Counter()
        key = self._store.keys("counters")
        try:
            if counts:
                await self._store.pipeline(
                    [("HINCRBY", key, f"rejected:{why}", by) for why, by in counts.items()]
                )
        except RetryableEventsError:
            self._counts.update(counts)
