"""Runs tasks in processes of their own, each of which runs one task after the other."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

from upshot.events.processes import GuardedProcess

from ..calls.timeouts import timed_out
from ..context import Here
from ..exceptions import ProcessDied
from .base import LimitedRunner, Pool
from .nested import Nested
from .order import Done, pack
from .pools import ElsewherePool

if TYPE_CHECKING:
    from ..definitions.taskdef import Task

_GRACE: Final = 2.0  # seconds that an interrupted function gets to clean up
_LATE: Final = 1.0  # seconds after its timeout, until a function is killed that does not yield
_STDOUT: Final = 1
HEAD: Final = 8
"""Bytes before each message that tell its length."""


class ProcessPoolTaskRunner(LimitedRunner):
    """Runs submitted tasks in processes, for work that keeps a processor busy.

    What a task is given and what it returns must be something that pickle can send. A function that
    does not end within its timeout is killed with its process, whatever it does. Tasks that a task
    calls itself run in the same process.

    Args:
        max_workers: how many processes; by default one for each processor.
    """

    def open(self) -> Pool:
        return ElsewherePool(Processes(), self.max_workers or os.cpu_count() or 1)


class Processes:
    """Processes that run functions; the pool sees to it that there are not too many."""

    def __init__(self) -> None:
        self._idle: list[Child] = []
        self._all: set[Child] = set()

    async def call(
        self, task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], place: Here
    ) -> Any:
        """Run a task's function in a process; return what it returns.

        Raises:
            Unpicklable: an argument can not be sent; names it.
            ProcessDied: the process died meanwhile.
        """
        order = pack(task, args, kwargs, place)
        child = self._rested() or await self._started()
        nested = Nested(place)
        try:
            done = await child.run(order, task.timeout_seconds, nested)
        except BaseException:
            self._all.discard(child)
            child.kill()
            raise
        finally:
            nested.close()
        self._idle.append(child)
        return done.result()

    def _rested(self) -> Child | None:
        """Return a process that waits for work; one that was killed meanwhile is let go."""
        while self._idle:
            child = self._idle.pop()
            if child.alive():
                return child
            self._all.discard(child)
            child.kill()
        return None

    async def _started(self) -> Child:
        child = await Child.start()
        self._all.add(child)
        return child

    async def close(self) -> None:
        for child in self._all:
            child.kill()


class Child:
    """One process; made by :meth:`start`."""

    def __init__(
        self, process: GuardedProcess, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process, self._reader, self._writer = process, reader, writer

    @classmethod
    async def start(cls) -> Child:
        """Start one."""
        mine, its = socket.socketpair()
        with its:
            number = its.fileno()
            command = [sys.executable, "-m", "upshot.flows.runners.child", str(number)]
            process = await asyncio.to_thread(
                GuardedProcess, command, output=_STDOUT, pass_fds=[number]
            )
        return cls(process, *await asyncio.open_connection(sock=mine))

    async def run(self, order: bytes, seconds: float | None, nested: Nested) -> Done:
        """Let it execute an order; put what it says into the journal."""
        limit = None if seconds is None else seconds + _LATE
        try:
            async with asyncio.timeout(limit):
                return await self._converse(order, nested)
        except TimeoutError:
            raise timed_out(seconds or 0) from None
        except asyncio.CancelledError:
            await self._interrupt(nested)
            raise

    async def _converse(self, order: bytes, nested: Nested) -> Done:
        try:
            self._writer.write(len(order).to_bytes(HEAD) + order)
            await self._writer.drain()
            return await self._listen(nested)
        except (asyncio.IncompleteReadError, ConnectionError):
            code = await asyncio.to_thread(self._process.wait, _GRACE)
            raise ProcessDied(f"the process that ran it died (exit code {code})") from None

    async def _listen(self, nested: Nested) -> Done:
        while True:
            size = int.from_bytes(await self._reader.readexactly(HEAD))
            told = pickle.loads(await self._reader.readexactly(size))
            if isinstance(told, Done):
                return told
            nested.put(told)

    async def _interrupt(self, nested: Nested) -> None:
        """Let what it runs clean up."""
        self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_GRACE):
                await self._listen(nested)
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            return

    def alive(self) -> bool:
        return self._process.alive() and not self._reader.at_eof()

    def kill(self) -> None:
        self._writer.close()
        self._process.send_signal(signal.SIGKILL)
