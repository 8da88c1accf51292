"""Opens a flow run's pool when the first task is submitted."""

from __future__ import annotations

import threading

from .base import Pool, TaskRunner
from .threads import ThreadPoolTaskRunner


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

    def close(self) -> None:
        """Wait for what it runs and let go of it."""
        if self.opened is not None:
            self.opened.drain()
            self.opened.close()
