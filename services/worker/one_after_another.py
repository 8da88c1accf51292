"""A flow process that is used again: it executes one run after another, as the worker sends them.

Between two runs it takes back what it can, see ``surroundings.py``; where it can not, it is not
used again. What code has changed in modules stays.
"""

from __future__ import annotations

import socket
from contextvars import copy_context

from upshot.events.store import SyncStore
from upshot.flows.flowruns.process import execute_next, opened_journal

from .surroundings import Surroundings
from .wire import Channel, taken


def execute_each(address: str, number: int, store: SyncStore, lease_ms: int) -> int:
    """Execute the runs that the worker sends, until it closes the connection.

    Args:
        address: path of the worker's socket. number: what the worker calls this process.
        lease_ms: how long a run counts as alive.
    """
    with opened_journal(store, lease_ms) as journal, socket.socket(socket.AF_UNIX) as connection:
        surroundings = Surroundings()
        connection.connect(address)
        channel = Channel(connection)
        channel.send({"ready": number})
        while (received := channel.receive()) is not None:
            for message in received[0]:
                # What a run binds to its context, such as a customer's name, is not the next one's.
                run, tells = taken(message), message["tells"]
                code = copy_context().run(execute_next, journal, run, tells=tells)
                last = not surroundings.restored()
                channel.send({"done": message["job"], "code": code, "last": last})
    return 0
