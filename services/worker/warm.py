"""The worker's side of its warm parents: which there are, which are stale, which must go.

launch → the entrypoint's warm parent, or a new one from the zygote → it forks → its end is told
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import Final

import structlog
from pydantic_core import from_json

from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.schemas.files import changed_at
from upshot.flows.schemas.known import HOUR_MS

from .wire import Message, encode
from .zygote_client import Opened, Zygote

log = structlog.get_logger(__name__)

_VERDICT_SECONDS: Final = 2.0
TELL_SECONDS: Final = HOUR_MS / 2000

Ended = Callable[[int, int | None], None]
"""Told a job's number and its exit code, minus the signal; None when nobody knows it."""


@dataclass(eq=False)
class WarmParent:
    """A warm parent as the worker sees it.

    Attributes:
        files: what it has in memory and when that was changed; None while it still imports.
        pids: its jobs and their processes; 0 for one that has none yet.
        stopped: the jobs whose processes were stopped by a signal.
        told: the deployments of which a run of it told what its flow takes, and when (monotonic s).
        gone: whether it has ended. retired: whether it takes no more jobs.
    """

    entrypoint: str
    opened: Opened
    files: list[tuple[str, int]] | None = None
    pids: dict[int, int] = field(default_factory=dict)
    stopped: set[int] = field(default_factory=set)
    told: dict[str, float] = field(default_factory=dict)
    gone: bool = False
    retired: bool = False

    def send(self, message: Message) -> None:
        self.opened.writer.write(encode(message))

    def is_to_tell(self, run: FlowRun, now: float) -> bool:
        """Tell whether a run is to tell what its flow takes: the first of each deployment, and
        then one each half an hour, as what was told of files does not hold for ever.
        """
        if run.deployment is None or now < self.told.get(run.deployment, -inf) + TELL_SECONDS:
            return False
        self.told[run.deployment] = now
        return True

    def stale(self) -> bool:
        """Tell whether the code on disk is not the code in memory."""
        return self.files is not None and any(changed_at(path) != at for path, at in self.files)


class Warm:
    """All warm parents of a worker.

    Args:
        store_url: address of the store, lease_ms: for the flow processes.
        most: how many warm parents to keep.
        ended: called once for each job that was launched.
    """

    def __init__(self, store_url: str, lease_ms: int, most: int, ended: Ended) -> None:
        self._zygote = Zygote(store_url, lease_ms)
        self._most = most
        self._ended = ended
        self._parents: dict[str, WarmParent] = {}  # the one used last comes last
        self._of_job: dict[int, WarmParent] = {}
        self._readers: set[asyncio.Task[None]] = set()
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Start the zygote, so that the first run does not wait for it."""
        await self._zygote.start()

    async def launch(
        self,
        job: int,
        run: FlowRun,
        *,
        folder: str = "",
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Give a run a process; its end is told by ``ended``.

        Args:
            folder: where its code is, if that is not where the worker stands.
            env: variables of its environment, besides the worker's.

        Raises:
            OSError: no process could be started.
        """
        parent = await self.parent(run.entrypoint, folder)
        told = {
            "run": run,
            "tells": parent.is_to_tell(run, time.monotonic()),
            "env": dict(env or {}),
        }
        self.start(parent, job, told)

    async def run_program(
        self, job: int, command: Sequence[str], env: Mapping[str, str], folder: str
    ) -> None:
        """Run a program in a folder; its end is told by ``ended``.

        Raises:
            OSError: no process could be started.
        """
        parent = await self.parent("", "")
        self.start(parent, job, {"command": list(command), "env": dict(env), "cwd": folder})

    def start(self, parent: WarmParent, job: int, message: Message) -> None:
        """Have a warm parent fork the process of a job."""
        parent.pids[job] = 0
        self._of_job[job] = parent
        parent.send({"start": job, **message})

    def signal(self, job: int, signum: int) -> None:
        """Send a job's process a signal; one that has ended is left alone.

        A module may never come to the end of its import. Its warm parent hears nothing then: it is
        killed itself with the last job that waits for that, and takes no more until then.
        """
        parent = self._of_job.get(job)
        if parent is None or parent.gone:
            return
        if parent.files is not None or signum != signal.SIGKILL:
            parent.send({"signal": job, "number": signum})
        elif len(parent.pids) > 1:
            parent.retired = True
            parent.send({"signal": job, "number": signum})  # once there is a process
            self._end(parent, job, -signum)
        else:
            log.warning("killed while it imports", entrypoint=parent.entrypoint)
            with suppress(ProcessLookupError):
                os.kill(parent.opened.pid, signal.SIGKILL)

    def is_running(self, job: int) -> bool:
        """Tell whether a job has a process that was not stopped by a signal."""
        parent = self._of_job.get(job)
        return parent is not None and parent.pids.get(job, 0) > 0 and job not in parent.stopped

    def pid(self, job: int) -> int:
        """Return the id of a job's process, 0 while it has none."""
        parent = self._of_job.get(job)
        return parent.pids.get(job, 0) if parent is not None else 0

    async def close(self) -> None:
        """End all processes that are left."""
        await self._zygote.close()
        await asyncio.gather(*self._readers)

    async def parent(self, entrypoint: str, folder: str) -> WarmParent:
        """Return the warm parent of an entrypoint, with the code that lies in its files now.

        Raises:
            OSError: none could be started.
        """
        name = os.path.join(folder, entrypoint)  # noqa: PTH118 - "" stands for programs
        async with self._opening:  # a second run of the entrypoint finds what the first one opened
            parent = self._parents.pop(name, None)
            if parent is not None and (parent.gone or parent.retired or parent.stale()):
                self._retire(parent)
                parent = None
            if parent is None:
                parent = await self._open(entrypoint, folder)
            self._parents[name] = parent
            while len(self._parents) > self._most:
                self._retire(self._parents.pop(next(iter(self._parents))))
            return parent

    async def _open(self, entrypoint: str, folder: str) -> WarmParent:
        parent = WarmParent(entrypoint, await self._zygote.open(entrypoint, folder))
        reader = asyncio.create_task(self._read(parent), name=f"warm parent {entrypoint}")
        self._readers.add(reader)
        reader.add_done_callback(self._readers.discard)
        return parent

    def _retire(self, parent: WarmParent) -> None:
        """Let a warm parent end as soon as its last child has."""
        parent.retired = True
        if not parent.gone:
            parent.send({"retire": True})

    async def _read(self, parent: WarmParent) -> None:
        try:
            async for line in parent.opened.reader:
                self._hear(parent, from_json(line))
        except ConnectionError as error:
            log.debug("warm parent went away", entrypoint=parent.entrypoint, reason=str(error))
        parent.gone = True
        parent.opened.writer.close()
        status = await self._verdict(parent)
        for job in list(parent.pids):
            self._end(parent, job, status)

    def _hear(self, parent: WarmParent, message: Message) -> None:
        if "started" in message:
            if message["started"] in parent.pids:  # else it was ended while it waited for that
                parent.pids[message["started"]] = message["pid"]
        elif "ended" in message:
            if message["ended"] in parent.pids:
                self._end(parent, message["ended"], message["status"])
        elif "stopped" in message:
            change = parent.stopped.add if message["now"] else parent.stopped.discard
            change(message["stopped"])
        else:
            parent.files = [(path, at) for path, at in message["loaded"]]

    def _end(self, parent: WarmParent, job: int, status: int | None) -> None:
        parent.pids.pop(job, None)
        parent.stopped.discard(job)
        self._of_job.pop(job, None)
        self._ended(job, status)

    async def _verdict(self, parent: WarmParent) -> int | None:
        """Return how a warm parent ended: its children ended with it."""
        try:
            return await asyncio.wait_for(parent.opened.status, _VERDICT_SECONDS)
        except TimeoutError:
            return None
