"""Locks that runs have, as who waits for one sees them: a silent holder is not yet a dead one.

After an outage of the store everyone is silent, also who is well. So a waiting process takes a lock
away only from whom it has seen silent for a whole lease, in which the store answered all along.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from upshot.events.store import Argument

    from .journal import Journal

_SILENT: Final = -1
_TAKEN: Final = 1


class Silence:
    """How long somebody was silent, as far as that can be told.

    Args:
        lease: seconds of silence after which somebody is dead.
    """

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._since = self._seen = float("-inf")

    def is_death(self, silent: bool, now: float) -> bool:
        """Tell by what is seen now whether it lasts for a lease, without an interruption."""
        if not silent or now - self._seen > self._lease:
            self._since = now
        self._seen = now
        return silent and now - self._since > self._lease


class LockWait:
    """A lock that a run asks for, again and again until it has it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._silence = Silence(journal.lease_ms / 1000)
        self._dead = False

    def take(self, name: str, *owner: Argument) -> bool:
        """Take the lock; False while somebody else has it.

        Args:
            owner: the run's id and epoch, and who in it asks.
        """
        answer = self._journal.call("lock", name, *owner, int(self._dead))
        self._dead = self._silence.is_death(answer == _SILENT, time.monotonic())
        return bool(answer == _TAKEN)
