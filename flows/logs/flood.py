"""How much a run may log at a time: a flood is cut off where it arises, before it costs anything.

More than the store keeps of a run's log need never reach it; and what floods must not delay the
states of tasks, which go the same way.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

COST_BYTES: Final = 512
"""A line costs one for being a line, and one more for each of so many bytes."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So much at once, and then so much a second."""

    burst: float
    per_second: float


ORDINARY: Final = Rate(20_000, 2_000)
"""For debug and info; the store keeps as many lines."""
URGENT: Final = Rate(5_000, 500)
"""For warnings and above, which no flood of others holds back."""


class Allowance:
    """What may still be logged; it grows with time.

    Args:
        rate: how fast. now: seconds of a clock that does not go back.
    """

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate, self._left, self._since = rate, rate.burst, now
        self._dropped = 0
        self._lock = threading.Lock()

    def admits(self, now: float) -> bool:
        """Tell whether a line may be logged; one that may not is counted."""
        with self._lock:
            grown = self._left + (now - self._since) * self._rate.per_second
            self._left, self._since = min(self._rate.burst, grown), now
            if self._left < 1:
                self._dropped += 1
                return False
            return True

    def spend(self, size: int) -> int:
        """Pay for a line of so many bytes; return how many were dropped since the last one."""
        with self._lock:
            self._left -= 1 + size // COST_BYTES
            return self._taken()

    def dropped(self) -> int:
        """Return how many were dropped since the last line, and begin to count anew."""
        with self._lock:
            return self._taken()

    def _taken(self) -> int:
        dropped, self._dropped = self._dropped, 0
        return dropped
