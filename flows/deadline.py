"""Deadlines: how much is left of the time that somebody waits."""

from __future__ import annotations

import time


class Deadline:
    """The end of a wait that begins now.

    Args:
        seconds: how long to wait at most; None for ever.
    """

    __slots__ = ("_at",)

    def __init__(self, seconds: float | None) -> None:
        self._at = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Return the seconds that are left, 0 where none are; None for ever."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())

    def is_over(self) -> bool:
        return self.left() == 0.0
