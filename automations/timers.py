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
_NEVER: Final = 1 << 62


class Timers:
    """Keys ordered by when they are due, ties by key.

    Args:
        holds: tells whether a moment is still the one of its key.

    Attributes:
        earliest: before this surely nothing is due.
    """

    __slots__ = ("_heap", "_holds", "_limit", "_sorted", "earliest")

    def __init__(self, holds: Holds) -> None:
        self._heap: list[tuple[int, Key]] = []
        self._sorted = True
        self.earliest = _NEVER
        self._holds = holds
        self._limit = _SLACK

    def __len__(self) -> int:
        return len(self._heap)

    def set(self, when: int, key: Key) -> None:
        """Note that ``key`` is due at ``when``; a moment set for it earlier no longer holds."""
        self._sort()
        heapq.heappush(self._heap, (when, key))
        if when < self.earliest:
            self.earliest = when
        if len(self._heap) > self._limit:
            self.rebuild({entry for entry in self._heap if self._holds(*entry)})

    def load(self, when: int, key: Key) -> None:
        """Note one of many, to be put in order together when the first one is asked for."""
        self._heap.append((when, key))
        self._sorted = False
        if when < self.earliest:
            self.earliest = when

    def _sort(self) -> None:
        if not self._sorted:
            self.rebuild(self._heap)

    def rebuild(self, entries: Iterable[tuple[int, Key]]) -> None:
        """Put these in the place of all that were set."""
        self._heap = list(entries)
        heapq.heapify(self._heap)
        self._limit = 2 * len(self._heap) + _SLACK
        self._sorted = True
        self._look()

    def _look(self) -> None:
        self.earliest = self._heap[0][0] if self._heap else _NEVER

    def first(self) -> tuple[int, Key] | None:
        """Return the earliest moment that holds, and its key, or None."""
        self._sort()
        while self._heap and not self._holds(*self._heap[0]):
            heapq.heappop(self._heap)
        self._look()
        return self._heap[0] if self._heap else None

    def next(self) -> int | None:
        """Return the earliest moment that holds, or None."""
        first = self.first()
        return None if first is None else first[0]

    def pop(self) -> tuple[int, Key]:
        """Take what :meth:`first` returned."""
        popped = heapq.heappop(self._heap)
        self._look()
        return popped

    def pop_before(self, now: int) -> Iterator[tuple[int, Key]]:
        """Take what was due strictly before ``now``, in order; more may be set on the way."""
        while (due := self.next()) is not None and due < now:
            yield self.pop()


def take_earliest(*timers: tuple[Timers, int]) -> tuple[int, list[Key]] | None:
    """Take all that several have due at the earliest moment, each strictly before its own limit.

    Returns:
        The moment and its keys in order, or None where nothing is due.
    """
    within = [(each, first[0]) for each, limit in timers if (first := each.first())
              and first[0] < limit]  # fmt: skip
    if not within:
        return None
    moment = min(first for _, first in within)
    keys: set[Key] = set()
    for each, _ in within:
        while (first := each.first()) is not None and first[0] == moment:
            keys.add(each.pop()[1])
    return moment, sorted(keys)
