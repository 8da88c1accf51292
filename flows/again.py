"""From where on a run does again what it had done: ``run retry --from TASK``.

A mark names a task. Once the run calls it, that call and all that come after it, in the order of
the calls, are others than those of the attempts before: whatever may need its result comes later.
Marks stay with the run, so what was done since is not done again by a later retry.
"""

from __future__ import annotations

import threading
from typing import TypeAlias

Marks: TypeAlias = tuple[tuple[str, str], ...]
"""Names of tasks, or of flows that are called, each with what tells its retry from others."""


class Again:
    """The marks of a run, within one attempt.

    Args:
        marks: in the order in which they were made.
    """

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._passed: set[str] = set()
        self._lock = threading.Lock()

    def passed(self, called: str) -> tuple[str, ...]:
        """Return what tells a call that is made now from those before: the marks passed so far."""
        if not self._marks:
            return ()
        with self._lock:
            self._passed.update(token for name, token in self._marks if name == called)
            return tuple(token for _, token in self._marks if token in self._passed)
