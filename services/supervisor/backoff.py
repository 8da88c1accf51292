"""Decides how long to wait before a part that ended is started again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """The next wait, in seconds; doubles with each quick end.

    Attributes:
        wait: how long to wait now.
        first, longest: the bounds of the wait.
        calm: a part that lived so long starts with the first wait again.
    """

    wait: float = 0.1
    first: float = 0.1
    longest: float = 10.0
    calm: float = 30.0

    def ended(self, lived: float) -> tuple[float, Backoff]:
        """Return how long to wait after an end, and the backoff for the next one.

        Args:
            lived: seconds from the start of the part to its end.
        """
        wait = self.first if lived >= self.calm else self.wait
        doubled = min(wait * 2, self.longest)
        return wait, Backoff(doubled, self.first, self.longest, self.calm)
