"""Time as the log lived it: while the log was closed to outside senders, no time passed.

Silence means something only while somebody could have spoken. So absence is measured in *open*
time: the log's milliseconds without the gaps in which nothing could be appended.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable


class OpenTime:
    """Turns the log's milliseconds into open time and back.

    Args:
        gaps: spans ``(from, until)`` in Unix milliseconds in which the log was closed, in any
            order; overlapping ones count once.
    """

    __slots__ = ("_closed_since", "_froms", "_lost", "_opens", "_untils")

    def __init__(self, gaps: Iterable[tuple[int, int]] = ()) -> None:
        self._closed_since: int | None = None
        self._rebuild(gaps)

    def add(self, start: int, end: int) -> None:
        """Learn of a gap, however late. One that ends before it starts is none."""
        self._rebuild([*self.gaps, (start, end)])

    def hold(self, closed_since: int | None) -> None:
        """Stand still from ``closed_since`` on, as in the gap that this will turn out to be.

        Args:
            closed_since: since when the log is closed, in its milliseconds; None while it is open.
        """
        self._closed_since = closed_since

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """The known gaps, sorted and merged."""
        return list(zip(self._froms, self._untils, strict=True))

    def at(self, ms: int) -> int:
        """Return the open time at a moment of the log; inside a gap it stands still."""
        if self._closed_since is not None and ms > self._closed_since:
            ms = self._closed_since
        index = bisect_right(self._froms, ms)
        if index and ms < self._untils[index - 1]:
            return self._opens[index - 1]
        return ms - self._lost[index]

    def when(self, open_ms: int) -> int:
        """Return the last moment of the log at which open time was ``open_ms``.

        So open time is past ``open_ms`` exactly when the log is past the moment returned.
        """
        return open_ms + self._lost[bisect_right(self._opens, open_ms)]

    def _rebuild(self, gaps: Iterable[tuple[int, int]]) -> None:
        merged = _merge(gaps)
        self._froms = [start for start, _ in merged]
        self._untils = [end for _, end in merged]
        # _lost[i]: milliseconds lost in the first i gaps; _opens[i]: open time where gap i lies.
        self._lost = [0]
        for start, end in merged:
            self._lost.append(self._lost[-1] + end - start)
        self._opens = [start - lost for start, lost in zip(self._froms, self._lost, strict=False)]


def _merge(gaps: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(gap for gap in gaps if gap[0] < gap[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
