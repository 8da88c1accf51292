"""A flow process that is used again: it executes one run after another, as the worker sends them.

Between two runs it takes back what it can: environment, working folder, processes that were left.
One whose run has left a thread behind is not used again. What code has changed in modules stays.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from typing import Final

from upshot.events.store import SyncStore
from upshot.flows.flowruns.process import execute

from .trees import clear, is_childless
from .wire import Channel, taken

_PATIENCE: Final = 2.0
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGCHLD)

_log = logging.getLogger(__name__)


def execute_each(address: str, number: int, store: SyncStore, lease_ms: int) -> int:
    """Execute the runs that the worker sends, until it closes the connection.

    Args:
        address: path of the worker's socket. number: what the worker calls this process.
        lease_ms: how long a run counts as alive.
    """
    surroundings = _Surroundings()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        channel = Channel(connection)
        channel.send({"ready": number})
        while (received := channel.receive()) is not None:
            for message in received[0]:
                code = execute(store, taken(message), lease_ms)
                last = not surroundings.restored()
                channel.send({"done": message["job"], "code": code, "last": last})
    return 0


class _Surroundings:
    """What a run finds around it, as it was before the first one."""

    def __init__(self) -> None:
        self._folder = os.getcwd()  # noqa: PTH109 - a plain text is all that is needed
        self._variables = dict(os.environ)
        self._handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        self._threads = threading.active_count()

    def restored(self) -> bool:
        """Make it so again; tell whether that could be done."""
        if not is_childless() and not clear(_PATIENCE):
            _log.warning("processes that a run has left can't be ended")
        os.chdir(self._folder)
        if os.environ != self._variables:
            os.environ.clear()
            os.environ.update(self._variables)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        return threading.active_count() <= self._threads
