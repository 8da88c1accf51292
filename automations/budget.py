"""What a rendering may take, counted: loop steps, characters made on the way, processor time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from jinja2.exceptions import SecurityError

MAX_STEPS: Final = 20_000
MAX_TEXT: Final = 16 * 1024 * 1024
MAX_SECONDS: Final = 0.06
BUDGET: Final = "upshot_budget"
"""The name under which a rendering's budget stands among its variables."""
DEADLINE: Final = "upshot_deadline"
"""The name under which several renderings find what :func:`deadline` gave them together."""


class Budget:
    """What a rendering may still take: loop steps, characters made on the way, processor time.

    Args:
        until: the processor time of this thread, in seconds, at which it must be done.
    """

    __slots__ = ("_steps", "_text", "_until")

    def __init__(self, until: float | None = None) -> None:
        self._steps = MAX_STEPS
        self._text = MAX_TEXT
        self._until = deadline() if until is None else until

    def spend(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise SecurityError(f"loops take more than {MAX_STEPS:,} steps")

    def check(self) -> None:
        if time.thread_time() > self._until:
            raise SecurityError(f"it takes more than {MAX_SECONDS:g} s")

    def charge(self, made: Any) -> None:
        """Account for a value that a filter or a method made."""
        self.check()
        if isinstance(made, str):
            self._text -= len(made)
            if self._text < 0:
                raise SecurityError(f"it makes more than {MAX_TEXT:,} characters on the way")


def deadline() -> float:
    """Return when, in this thread's processor time, what begins now must be done."""
    return time.thread_time() + MAX_SECONDS


class Steps:
    """A loop's items, each looked at only while there is time."""

    __slots__ = ("_budget", "_items")

    def __init__(self, items: Any, budget: Budget) -> None:
        self._items = items
        self._budget = budget

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            self._budget.check()
            yield item
