"""The store as flow processes ask it: again, until it answers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from upshot.events.exceptions import StoreFull, StoreUnavailable
from upshot.events.store import Argument, SyncStore

_PATIENCE: Final = (StoreUnavailable, StoreFull)

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
        from stamina import retry_context

        answer: Any = None
        trying = retry_context(_PATIENCE, attempts=None, timeout=self._seconds, wait_max=1.0)
        for attempt in trying:
            with attempt:
                answer = send()
        _log.warning("the store answers again")
        return answer
