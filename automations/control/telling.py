"""Says which suppressions are told by an event: all are counted, but telling must not flood."""

from __future__ import annotations

from typing import Final

EVERY: Final = 60_000
"""Milliseconds of the log's time within which one kind of suppression is told once."""

_MOST: Final = 10_000

Kind = tuple[str, str, str]
"""An automation, a stage or reason, and a key."""


class Telling:
    """When each kind of suppression was last told, and how many there were since."""

    def __init__(self) -> None:
        self._told: dict[Kind, tuple[int, int]] = {}

    def tells(self, kind: Kind, now: int) -> int:
        """Return for how many of its kind one more speaks that comes now; 0 where it is not told.

        Args:
            now: the log's millisecond.
        """
        last, since = self._told.get(kind, (now - EVERY, 0))
        if now - last < EVERY:
            self._told[kind] = (last, since + 1)
            return 0
        if len(self._told) >= _MOST:
            self._forget(now)
        self._told[kind] = (now, 0)
        return since + 1

    def _forget(self, now: int) -> None:
        """Forget what may be told again anyway, or all where that does not help."""
        recent = {kind: told for kind, told in self._told.items() if now - told[0] < EVERY}
        self._told = recent if len(recent) < _MOST else {}
