"""The zygote: a process that imported what every flow needs, once, and forks warm parents from it.

It has one thread and no store. It ends when its worker's end of the socket closes, and then ends
all below it; killed together with the worker it could not. ``python -m
upshot.services.worker.zygote SOCKET``.
"""

from __future__ import annotations

import ctypes  # noqa: F401 - needed in each child; imported once, here
import gc
import signal
import socket
import sys
from contextlib import suppress

from upshot.flows.flowruns.rehearsal import rehearse

from .forking import Change, Children, serve
from .warm_parent import live
from .wire import Channel, Message


class Zygote:
    """Serves the worker at the other end of ``channel``."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._children = Children()

    def run(self) -> None:
        """Fork warm parents until the worker is gone; they end with this process."""
        with suppress(ConnectionError):
            serve(self._channel, self._children, self._handle, self._tell)
        self._children.end_all()

    def _handle(self, message: Message, descriptors: list[int]) -> None:
        with socket.socket(fileno=descriptors.pop(0)) as connection:
            pid = self._children.fork(message["open"], lambda: self._become(connection, message))
        self._channel.send({"opened": message["open"], "pid": pid})

    def _become(self, connection: socket.socket, message: Message) -> int:
        self._channel.close()
        given = (message[name] for name in ("entrypoint", "store_url", "lease_ms", "folder"))
        live(Channel(connection), *given)
        return 0

    def _tell(self, change: Change) -> None:
        if change.code is not None:
            self._channel.send({"closed": change.number, "status": change.code})


def main(arguments: list[str]) -> None:
    """Serve the worker at the other end of a socket."""
    (descriptor,) = map(int, arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    rehearse()
    gc.collect()
    gc.freeze()  # what is here now stays: collections in children leave its pages shared
    Zygote(Channel(socket.socket(fileno=descriptor))).run()


if __name__ == "__main__":
    main(sys.argv[1:])
