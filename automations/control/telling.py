"""Says which suppressions are told by an event: all are counted, but telling must not flood."""

from __future__ import annotations

from typing import Final

EVERY: Final = 60_000
"""Milliseconds of the log's time within which one kind of suppression is told once."""

MOST: Final = 10_000
"""Kinds that are told apart; what more there are, of an automation and reason, go together."""

Kind = tuple[str, str, str]
"""An automation, a stage or reason, and a key."""


class Telling:
    """When each kind of suppression was last told, and how many there were since."""

    def __init__(self) -> None:
        self._told: dict[Kind, tuple[int, int]] = {}
        self._cleared = -EVERY

    def tells(self, kind: Kind, now: int) -> int:
        """Return for how many of its kind one more speaks that comes now; 0 where it is not told.

        Args:
            now: the log's millisecond.
        """
        if kind not in self._told and len(self._told) >= MOST:
            self._forget(now)
            if len(self._told) >= MOST:
                kind = (*kind[:2], "")
        last, since = self._told.get(kind, (now - EVERY, 0))
        if now - last < EVERY:
            self._told[kind] = (last, since + 1)
            return 0
        self._told[kind] = (now, 0)
        return since + 1

    def _forget(self, now: int) -> None:
        """Forget, at most once a while, which keys may be told of again anyway."""
        if now - self._cleared < EVERY:
            return
        self._cleared = now
        told = self._told.items()
        self._told = {kind: when for kind, when in told if not kind[2] or now - when[0] < EVERY}
