"""The store as flow processes ask it: again, until it answers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from math import inf
from typing import Any, Final

from redis.backoff import DecorrelatedJitterBackoff
from redis.retry import Retry

from upshot.events.exceptions import StoreFull, StoreUnavailable
from upshot.events.store import Argument, SyncStore

_PATIENCE: Final = (StoreUnavailable, StoreFull)
_NO_END: Final = -1

_log = logging.getLogger(__name__)


class PatientStore:
    """Asks as long as it takes: what is sent twice is answered twice and done once.

    Args:
        store: whose answers they are. seconds: how long it is asked at most; None for ever.
    """

    def __init__(self, store: SyncStore, seconds: float | None = None) -> None:
        self._store, self._seconds = store, seconds
        self.keys = store.keys

    def call(self, function: str, *arguments: Argument) -> Any:
        """Call a function of the store."""
        return self._persist(lambda: self._store.call(function, *arguments))

    def execute(self, *command: Argument) -> Any:
        """Send a command that may be sent twice."""
        return self._persist(lambda: self._store.execute(*command))

    def _persist(self, send: Callable[[], Any]) -> Any:
        try:
            return send()
        except _PATIENCE as error:
            limit = "until it works" if self._seconds is None else f"for {self._seconds:g} s"
            _log.warning("%s; trying again %s", error, limit)
        ends = inf if self._seconds is None else time.monotonic() + self._seconds
        # Not the services' way of trying again: that prints a line each time, as a flow may not.
        trying = Retry(DecorrelatedJitterBackoff(cap=1.0, base=0.05), _NO_END, _PATIENCE)
        answer = trying.call_with_retry(send, lambda _: None, lambda _: time.monotonic() < ends)
        _log.warning("the store answers again")
        return answer
