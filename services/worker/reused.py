"""The worker's side of flow processes that execute one run after another.

launch → a process of the same code that waits, or a new one → the run → it waits again, or has done
its share; one that was asked to stop a run gets no other one
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import structlog
from pydantic_core import from_json

from upshot.flows.deployments.jobs import ProcessJob

from .runners.base import RECORDED, Ended, Launch
from .warm import Warm, WarmParent
from .wire import Message, encode

log = structlog.get_logger(__name__)

_MOST_WAITING: Final = 64


@dataclass(eq=False)
class Process:
    """A process that is used again.

    Attributes:
        number: what the warm parents call it; less than 0, so that no job has the same.
        job: the run that it executes, or None while it waits. left: how many it may execute yet.
        spoiled: whether it gets no other one.
    """

    number: int
    parent: WarmParent
    env: Mapping[str, str]
    left: int
    job: Launch | None = None
    writer: asyncio.StreamWriter | None = None
    spoiled: bool = False

    def fits(self, parent: WarmParent, env: Mapping[str, str]) -> bool:
        return self.parent is parent and self.env == env

    def send(self) -> None:
        """Have it execute its run, as soon as it is there."""
        if self.job is None or self.writer is None:
            return
        self.left -= 1
        run = self.job.run
        told = {
            "job": self.job.job,
            "run": run,
            "tells": self.parent.is_to_tell(run, time.monotonic()),
        }
        self.writer.write(encode(told))


class Reused:
    """All processes of a worker that are used again.

    Args:
        warm: forks them. ended: called once for each job that was launched.
    """

    def __init__(self, warm: Warm, ended: Ended) -> None:
        self._warm = warm
        self._ended = ended
        self._numbers = count(-1, -1)
        self._processes: dict[int, Process] = {}
        self._of_job: dict[int, Process] = {}
        self._waiting: list[Process] = []  # the one used last comes last
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._server: asyncio.Server | None = None

    async def launch(self, launch: Launch, spec: ProcessJob) -> None:
        """Give a run a process that waits, or a new one.

        Raises:
            OSError: no process could be started.
        """
        parent = await self._warm.parent(launch.run.entrypoint, launch.folder)
        process = self._take(parent, spec.env)
        if process is None:
            address = await self._address()
            process = Process(next(self._numbers), parent, spec.env, spec.max_reuse)
            self._processes[process.number] = process
            message = {"reports_to": address, "env": dict(spec.env)}
            self._warm.start(parent, process.number, message)
        process.job = launch
        self._of_job[launch.job] = process
        process.send()

    def _take(self, parent: WarmParent, env: Mapping[str, str]) -> Process | None:
        """Return a process that waits and fits; those of code that changed since are let go."""
        for process in [each for each in self._waiting if each.parent.retired]:
            self._let_go(process)
        for process in reversed(self._waiting):
            if process.fits(parent, env):
                self._waiting.remove(process)
                return process
        return None

    def process_of(self, job: int) -> int | None:
        """Return the number of the process that executes a job; None where none of these does."""
        process = self._of_job.get(job)
        return None if process is None else process.number

    def spoil(self, job: int) -> int | None:
        """Return the same of a job that is to be stopped: its process gets no other one."""
        process = self._of_job.get(job)
        if process is None:
            return None
        process.spoiled = True
        return process.number

    def hear_end(self, number: int, code: int | None) -> bool:
        """Hear of the end of a process; tell whether it is one of these."""
        process = self._processes.pop(number, None)
        if process is None:
            return False
        if process in self._waiting:
            self._waiting.remove(process)
        if process.job is not None:
            self._finish(process, process.job.job, code)
        return True

    async def close(self) -> None:
        """Let all go; they end at once."""
        for process in list(self._processes.values()):
            self._let_go(process)
        if self._server is not None:
            self._server.close()
        if self._folder is not None:
            self._folder.cleanup()

    async def _address(self) -> str:
        """Return the path of the socket where they report."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="upshot-worker-")
            address = str(Path(self._folder.name, "s"))
            self._server = await asyncio.start_unix_server(self._serve, address)
        return str(Path(self._folder.name, "s"))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            hello = from_json(await reader.readline())
            process = self._processes[hello["ready"]]
            process.writer = writer
            process.send()
            async for line in reader:
                self._hear_done(process, from_json(line))
        except (ConnectionError, KeyError, ValueError) as error:
            log.debug("process for runs went away", reason=repr(error))
        finally:
            writer.close()

    def _hear_done(self, process: Process, message: Message) -> None:
        self._finish(process, message["done"], message["code"], recorded=True)
        if message["last"] or process.spoiled or process.left <= 0 or process.parent.retired:
            self._let_go(process)
            return
        self._waiting.append(process)
        if len(self._waiting) > _MOST_WAITING:
            self._let_go(self._waiting[0])

    def _finish(
        self, process: Process, job: int, code: int | None, *, recorded: bool = False
    ) -> None:
        process.job = None
        del self._of_job[job]
        self._ended(job, code, RECORDED if recorded else "")

    def _let_go(self, process: Process) -> None:
        """Let a process end: nothing more comes."""
        if process in self._waiting:
            self._waiting.remove(process)
        process.spoiled = True
        if process.writer is not None:
            process.writer.close()
