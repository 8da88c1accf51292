"""Forks children from a single-threaded process and tells of their ends, within one poll loop."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from upshot.events.processes import die_with_parent

from .trees import adopt_orphans, clear, is_childless, kill, kill_group, kill_strays
from .wire import Channel, Message

_PATIENCE: Final = 5.0
_PID_BYTES: Final = 4

Handle = Callable[[Message, list[int]], None]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a child.

    Attributes:
        number: of what it is for.
        code: exit code, minus the signal; None for one that was stopped or continued.
    """

    number: int
    pid: int
    code: int | None
    stopped: bool = False


class Children:
    """The children of this process, by the number of what each is for.

    What a child leaves behind when it ends is ended, too. One that adopts all that it starts, and
    has no children at its end, leaves nothing behind and says so: looking for it takes long.
    """

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._tidy: set[int] = set()
        self._heard, self._said = os.pipe()
        os.set_blocking(self._heard, False)
        adopt_orphans()
        self._awake, self._waker = socket.socketpair()
        self._awake.setblocking(False)
        self._waker.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler, so that the waker is written
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)

    def __len__(self) -> int:
        return len(self._numbers)

    def fileno(self) -> int:
        return self._awake.fileno()

    def fork(self, number: int, body: Callable[[], int]) -> int:
        """Start a child that runs ``body`` and ends with the exit code that it returns."""
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._live(parent, body)
        self._numbers[pid] = number
        return pid

    def _live(self, parent: int, body: Callable[[], int]) -> None:
        code = 1
        try:
            die_with_parent(parent)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._awake.close()
            self._waker.close()
            code = body()
        except BaseException:  # noqa: BLE001 - the child must not go on in its parent's code
            traceback.print_exc()
        finally:
            _flush()
            self._say_tidy()
            os._exit(code)

    def _say_tidy(self) -> None:
        with suppress(OSError):  # the flow has closed all that there was: then it is looked for
            if is_childless():
                os.write(self._said, os.getpid().to_bytes(_PID_BYTES))

    def reap(self) -> Iterator[Change]:
        """Yield each child that ended, was stopped or goes on."""
        self._drain()
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED))[0]:
                yield from self._changed(*ended)

    def _changed(self, pid: int, status: int) -> Iterator[Change]:
        number = self._numbers.get(pid)
        if os.WIFSTOPPED(status) or os.WIFCONTINUED(status):
            if number is not None:
                yield Change(number, pid, None, os.WIFSTOPPED(status))
            return
        self._hear_tidy()
        if self._numbers.pop(pid, None) is not None:
            kill_group(pid)  # what it has started may be there still
        if pid in self._tidy:
            self._tidy.remove(pid)
        elif not is_childless():
            kill_strays(self._numbers, pid if self._numbers else None)
        if number is not None:
            yield Change(number, pid, os.waitstatus_to_exitcode(status))

    def _hear_tidy(self) -> None:
        """Hear who was tidy: whoever has ended has said it by now."""
        with suppress(BlockingIOError):
            while said := os.read(self._heard, _PID_BYTES):
                pid = int.from_bytes(said)
                if pid in self._numbers:  # and no fork of a child that ran out of its own code
                    self._tidy.add(pid)

    def _drain(self) -> None:
        try:
            while self._awake.recv(4096):
                pass
        except BlockingIOError:
            return

    def signal(self, number: int, signum: int) -> None:
        """Send a child a signal, with SIGKILL its group too; one that ended is left alone."""
        for pid, mine in self._numbers.items():
            if mine == number:
                kill(pid) if signum == signal.SIGKILL else os.kill(pid, signum)

    def end_all(self) -> None:
        """Kill the children, and all that is left of them."""
        for pid in self._numbers:
            kill(pid)
        clear(_PATIENCE)
        self._numbers.clear()


def serve(
    channel: Channel,
    children: Children,
    handle: Handle,
    tell: Callable[[Change], None],
    done: Callable[[], bool] = lambda: False,
) -> None:
    """Serve messages and ends of children until the other side closes the channel or all is done.

    Args:
        handle: does what a message says. tell: reports what became of a child.
        done: whether there is nothing more to wait for.
    """
    poller = select.poll()
    poller.register(channel, select.POLLIN)
    poller.register(children, select.POLLIN)
    while not done():
        for descriptor, _ in poller.poll():
            if descriptor == children.fileno():
                for change in children.reap():
                    tell(change)
                continue
            received = channel.receive()
            if received is None:
                return
            messages, descriptors = received
            for message in messages:
                handle(message, descriptors)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # nobody reads it any more
            continue
