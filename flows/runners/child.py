"""The main of a process that runs tasks: orders come in over a socket, what it says goes out."""

from __future__ import annotations

import pickle
import signal
import socket
import sys
import threading
from types import FrameType
from typing import Any, NoReturn

from ..exceptions import Interrupted
from .executing import execute, packed_done
from .order import Done, Said
from .processes import HEAD


class Wire:
    """The socket to the process that gives the orders."""

    def __init__(self, descriptor: int) -> None:
        self._file: Any = socket.socket(fileno=descriptor).makefile("rwb")
        self._lock = threading.Lock()

    def read(self) -> bytes | None:
        """Return the next order, or None when there will be none."""
        head = self._file.read(HEAD)
        return self._file.read(int.from_bytes(head)) if len(head) == HEAD else None

    def say(self, said: Said) -> None:
        self._write(pickle.dumps(said))

    def done(self, done: Done) -> None:
        self._write(packed_done(done))

    def _write(self, body: bytes) -> None:
        with self._lock:
            self._file.write(len(body).to_bytes(HEAD) + body)
            self._file.flush()


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Interrupted("the flow run stopped")


def main() -> None:
    """Execute orders until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the flow's process says when to stop
    wire = Wire(int(sys.argv[1]))
    while (order := wire.read()) is not None:
        signal.signal(signal.SIGTERM, _interrupt)
        done = execute(order, wire.say)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        wire.done(done)


if __name__ == "__main__":
    main()
