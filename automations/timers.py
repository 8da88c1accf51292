"""A heap of moments at which something is due; what has changed since is skipped when it comes up.

Cancelling is forgetting: the caller says whether an entry still holds, and the heap is rebuilt
from those that do when more than half of it is stale, so that it stays bounded by what is open.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import Final

Key = tuple[str, str]
Holds = Callable[[int, Key], bool]

_SLACK: Final = 1024


class Timers:
    """Keys ordered by when they are due, ties by key.

    Args:
        holds: tells whether a moment is still the one of its key.
    """

    __slots__ = ("_heap", "_holds", "_limit")

    def __init__(self, holds: Holds) -> None:
        self._heap: list[tuple[int, Key]] = []
        self._holds = holds
        self._limit = _SLACK

    def __len__(self) -> int:
        return len(self._heap)

    def set(self, when: int, key: Key) -> None:
        """Note that ``key`` is due at ``when``; a moment set for it earlier no longer holds."""
        heapq.heappush(self._heap, (when, key))
        if len(self._heap) > self._limit:
            self.rebuild({entry for entry in self._heap if self._holds(*entry)})

    def rebuild(self, entries: Iterable[tuple[int, Key]]) -> None:
        """Put these in the place of all that were set."""
        self._heap = list(entries)
        heapq.heapify(self._heap)
        self._limit = 2 * len(self._heap) + _SLACK

    def next(self) -> int | None:
        """Return the earliest moment that holds, or None."""
        while self._heap and not self._holds(*self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop_before(self, now: int) -> Iterator[tuple[int, Key]]:
        """Take what was due strictly before ``now``, in order; more may be set on the way."""
        while (due := self.next()) is not None and due < now:
            yield heapq.heappop(self._heap)
