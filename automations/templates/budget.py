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
"""The name under which several renderings find the deadline that they have together."""


class Deadline:
    """When, in this thread's processor time, renderings must be done: counted from the first look.

    What neither loops nor calls anything never looks: asking the kernel takes as long as that.
    """

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: float | None = None

    def check(self) -> None:
        now = time.thread_time()
        if self._until is None:
            self._until = now + MAX_SECONDS
        elif now > self._until:
            raise SecurityError(f"it takes more than {MAX_SECONDS:g} s")


class Budget:
    """What a rendering may still take: loop steps, characters made on the way, processor time.

    Args:
        deadline: when it must be done.
    """

    __slots__ = ("_deadline", "_steps", "_text")

    def __init__(self, deadline: Deadline) -> None:
        self._steps = MAX_STEPS
        self._text = MAX_TEXT
        self._deadline = deadline

    def spend(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise SecurityError(f"loops take more than {MAX_STEPS:,} steps")

    def check(self) -> None:
        self._deadline.check()

    def charge(self, made: Any) -> None:
        """Account for a value that a filter or a method made."""
        self.check()
        if isinstance(made, str):
            self._text -= len(made)
            if self._text < 0:
                raise SecurityError(f"it makes more than {MAX_TEXT:,} characters on the way")


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
