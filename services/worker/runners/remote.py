"""Runs whose processes are elsewhere: started, looked at and stopped through the API of a platform.

launch → the platform starts it → it is looked at now and then → its end is told, its rest removed
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from ...exceptions import CannotLaunch
from .base import Ended, Launch

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 0.5
_LOOKS_IN_VAIN: Final = 4
"""Looks at which a process that was started may not be seen, until it counts as gone."""


@dataclass(frozen=True, slots=True)
class Found:
    """How a process elsewhere is.

    Attributes:
        running: whether it runs by now. ended: whether it has.
        code: its exit code, where it is known. why: it ended so, for people.
    """

    running: bool = False
    ended: bool = False
    code: int | None = None
    why: str = ""


class Platform(Protocol):
    """What runs processes elsewhere; its calls block."""

    def start(self, launch: Launch) -> str:
        """Start a run's process; return its name, which is the same for each try.

        Raises:
            OSError: the platform does not answer. CannotLaunch: it refuses.
        """
        ...

    def look(self, names: set[str]) -> Mapping[str, Found]:
        """Return how the processes of these names are; who is not there any more is left out."""
        ...

    def stop(self, name: str) -> None:
        """Ask a process to end."""

    def kill(self, name: str) -> None:
        """End a process at once."""

    def remove(self, name: str) -> None:
        """Remove what is left of a process that ended."""


class RemoteRunner:
    """The runner of a type of pool whose runs are elsewhere.

    Args:
        platform: where. ended: called once for each job that was launched.
    """

    detached = True
    fetches = True

    def __init__(self, platform: Platform, ended: Ended) -> None:
        self._platform = platform
        self._ended = ended
        self._names: dict[int, str] = {}
        self._running: set[int] = set()
        self._in_vain: dict[int, int] = {}
        self._looking: asyncio.Task[None] | None = None
        self._asked: set[asyncio.Task[None]] = set()

    async def launch(self, launch: Launch) -> None:
        name = await asyncio.to_thread(self._platform.start, launch)
        self._names[launch.job] = name
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_on(), name="look at remote runs")

    def stop(self, job: int) -> None:
        self._ask(job, self._platform.stop)

    def kill(self, job: int) -> None:
        self._ask(job, self._platform.kill)

    def is_running(self, job: int) -> bool:
        return job in self._running

    async def close(self) -> None:
        """Look no more; what runs goes on, and another worker sees to what is left of it."""
        await asyncio.gather(*self._asked)
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def _ask(self, job: int, do: Callable[[str], None]) -> None:
        name = self._names.get(job)
        if name is None:
            return
        task = asyncio.create_task(self._do(do, name))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def _do(self, do: Callable[[str], None], name: str) -> None:
        try:
            await asyncio.to_thread(do, name)
        except (OSError, CannotLaunch) as error:
            log.warning("not done elsewhere", what=do.__name__, process=name, reason=str(error))

    async def _look_on(self) -> None:
        while True:
            try:
                await self._look()
            except (OSError, CannotLaunch) as error:
                log.warning("remote runs not looked at", reason=str(error))
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> None:
        jobs = dict(self._names)
        seen = await asyncio.to_thread(self._platform.look, set(jobs.values()))
        for job, name in jobs.items():
            found = seen.get(name) or self._unseen(job)
            if found.ended:
                await self._do(self._platform.remove, name)
                self._forget(job)
                self._ended(job, found.code, found.why)
            elif found.running:
                self._running.add(job)

    def _unseen(self, job: int) -> Found:
        times = self._in_vain[job] = self._in_vain.get(job, 0) + 1
        return Found(ended=times >= _LOOKS_IN_VAIN, why="its process was removed from outside")

    def _forget(self, job: int) -> None:
        del self._names[job]
        self._in_vain.pop(job, None)
        self._running.discard(job)
