"""Keeps one part alive: starts it again whenever it ends, with backoff, until it is stopped."""

from __future__ import annotations

import signal
import threading
import time

import structlog

from upshot.events.exceptions import EventsError

from .backoff import Backoff
from .parts import Part

_log = structlog.stdlib.get_logger(__name__)


class Keeper:
    """A thread that watches one part.

    Args:
        part: what it keeps alive.
        backoff: how long to wait before each new start.
        started: the part runs already.
    """

    def __init__(self, part: Part, backoff: Backoff, *, started: bool = False) -> None:
        self.part = part
        self._backoff = backoff
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._keep, args=(started,), name=f"keep {part.name}", daemon=True
        )
        self._thread.start()

    def stop(self, *, at_once: bool = False) -> None:
        """End the part and stay away; return when it has ended."""
        self._stopping.set()
        self.part.stop(at_once=at_once)
        self._thread.join()

    def _keep(self, started: bool) -> None:
        while not self._stopping.is_set():
            born = time.monotonic()
            end = self._live(started)
            started = False
            if self._stopping.is_set():
                break
            wait, self._backoff = self._backoff.ended(time.monotonic() - born)
            _log.warning(self._sentence(end), part=self.part.name, again_in_seconds=wait)
            self._stopping.wait(wait)
        self.part.stop()  # it may have been starting when we were told to stop

    def _live(self, started: bool) -> str:
        """Run the part until it ends; return how it ended."""
        try:
            if not started:
                self.part.start()
        except (EventsError, OSError) as error:
            return f"did not start: {error}"
        return describe_end(self.part.wait())

    def _sentence(self, end: str) -> str:
        hint = self.part.hint()
        return f"{self.part.name} {end}{f' ({hint})' if hint else ''}; starting it again"


def describe_end(code: int | None) -> str:
    """Say how a process ended: ``was killed by SIGKILL``, ``ended with exit code 3``."""
    if code is None or code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return f"was killed by signal {-code}"
