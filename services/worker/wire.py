"""What a worker and its parent processes say to each other: one JSON object a line, over sockets.

worker → zygote         ``open`` a warm parent (its socket comes along), for an entrypoint
zygote → worker         ``opened`` with its pid, ``closed`` with its exit status
worker → warm parent    ``start`` a run, all of it and whether it ``tells`` what its flow takes, a
                        program or a process for runs, ``signal``, ``retire``
warm parent → worker    ``loaded`` with the files it imported, ``started``, ``ended``, ``stopped``
                        by a signal or going on again
process for runs → worker   ``ready`` for the first run, ``done`` with one, and whether it was the
                            ``last``
worker → process for runs   ``run`` to execute, and whether it ``tells``
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from upshot.flows.runs.flowrun import FlowRun

Message: TypeAlias = dict[str, Any]

_CHUNK: Final = 64 * 1024
_RUN: Final = TypeAdapter(FlowRun)


def encode(message: Message) -> bytes:
    """Return a message as its line."""
    return to_json(message) + b"\n"


def taken(message: Message) -> FlowRun:
    """Return the run that a message gives to a process, as the worker has taken it."""
    return _RUN.validate_python(message["run"])


class Channel:
    """The blocking end of a socket: what the forking processes use.

    Args:
        connection: a connected stream socket.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._rest = bytearray()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: Message) -> None:
        self._socket.sendall(encode(message))

    def receive(self) -> tuple[list[Message], list[int]] | None:
        """Return the messages that one reading completes, and its descriptors; None at the end."""
        data, descriptors, _, _ = socket.recv_fds(self._socket, _CHUNK, 8)
        if not data:
            return None
        return list(self._split(data)), descriptors

    def _split(self, data: bytes) -> Iterator[Message]:
        self._rest += data
        if b"\n" not in data:  # a run can be large
            return
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            yield from_json(line)

    def close(self) -> None:
        self._socket.close()
