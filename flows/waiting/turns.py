"""Turns of equal waits of a run: each begins behind what those that began before it have taken."""

from __future__ import annotations

import threading
from collections import defaultdict


class Turns:
    """The lines of those that wait for the same at the same time, as coroutines can."""

    def __init__(self) -> None:
        self._lines: defaultdict[bytes, list[object]] = defaultdict(list)
        self._moved = threading.Condition()

    def join(self, line: bytes, who: object) -> None:
        """Stand in line, behind all others."""
        with self._moved:
            self._lines[line].append(who)

    def await_turn(self, line: bytes, who: object, seconds: float) -> bool:
        """Wait for so long; tell whether it is the turn of somebody in the line."""
        with self._moved:
            return self._moved.wait_for(lambda: self._lines[line][:1] == [who], seconds)

    def leave(self, line: bytes, who: object) -> None:
        """Let the next one have its turn."""
        with self._moved:
            if who in self._lines[line]:
                self._lines[line].remove(who)
            self._moved.notify_all()
