"""Opens a flow run's pool when the first task is submitted."""

from __future__ import annotations

import threading
from typing import Final

from .base import Pool, TaskRunner
from .threads import ThreadPoolTaskRunner

_GRACE: Final = 3.0  # seconds


class OnePool:
    """The pool of one flow run; calling it opens it.

    Args:
        runner: makes it; threads by default.
    """

    def __init__(self, runner: TaskRunner | None = None) -> None:
        self.runner = runner
        self.opened: Pool | None = None
        self._lock = threading.Lock()

    def __call__(self) -> Pool:
        with self._lock:
            if self.opened is None:
                self.opened = (self.runner or ThreadPoolTaskRunner()).open()
            return self.opened

    def drain(self) -> None:
        """Wait for the end of all that was submitted."""
        if self.opened is not None:
            self.opened.drain()

    def drop_waiting(self) -> None:
        """End what has not begun without running it."""
        if self.opened is not None:
            self.opened.drop_waiting()

    def abort(self) -> None:
        """Interrupt what runs, which then gets a moment to clean up."""
        if self.opened is not None:
            self.opened.abort(_GRACE)

    def close(self) -> None:
        """Wait for what it runs and let go of it."""
        if self.opened is not None:
            self.opened.drain()
            self.opened.close()
