"""Runs as processes forked from warm parents: one for each run, or one for many where asked for."""

from __future__ import annotations

import signal

from upshot.flows.deployments.jobs import ProcessJob

from ..reused import Reused
from ..warm import Warm
from .base import Launch


class ProcessRunner:
    """The runner of the type ``process``.

    Args:
        warm: the warm parents. reused: processes that execute one run after another.
    """

    detached = False
    fetches = False

    def __init__(self, warm: Warm, reused: Reused) -> None:
        self._warm = warm
        self._reused = reused

    async def launch(self, launch: Launch) -> None:
        spec = launch.spec
        assert isinstance(spec, ProcessJob)
        if spec.reuse:
            await self._reused.launch(launch, spec)
            return
        await self._warm.launch(launch.job, launch.run, folder=launch.folder, env=spec.env)

    def stop(self, job: int) -> None:
        self._signal(job, signal.SIGTERM)

    def kill(self, job: int) -> None:
        self._signal(job, signal.SIGKILL)

    def _signal(self, job: int, number: int) -> None:
        self._warm.signal(self._reused.spoil(job) or job, number)

    def is_running(self, job: int) -> bool:
        return self._warm.is_running(self._reused.process_of(job) or job)

    async def close(self) -> None:
        await self._reused.close()
