"""Chooses how a run gets its process: by its pool's type, with the job variables of both checked.

run and pool → job variables → its code, laid out → the runner of the type
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from upshot.events.settings import Settings
from upshot.flows.deployments.checkouts import code_folder, laid_out
from upshot.flows.deployments.jobs import job_of
from upshot.flows.exceptions import FlowsError
from upshot.flows.flowruns.started import source_of
from upshot.flows.runs.flowrun import FlowRun

from ...exceptions import CannotLaunch
from ..pool import Pool
from ..reused import Reused
from ..warm import Warm
from .base import Ended, Launch, Runner
from .environments import Environments
from .process import ProcessRunner
from .remote import RemoteRunner
from .subprocess import SubprocessRunner


class Runners:
    """The runners of a worker, each made when the first run needs it.

    Args:
        store_url: address of the store. pool: whose runs. ended: called once for each job.
    """

    def __init__(self, store_url: str, settings: Settings, pool: str, ended: Ended) -> None:
        self._store_url = store_url
        self._settings = settings
        self._pool = pool
        self._tell = ended
        self._data_dir = Path(settings.data_dir).expanduser()
        self._warm = Warm(store_url, settings.lease_ms, settings.warm_parents, self._process_ended)
        self._reused = Reused(self._warm, self._ended)
        self._runners: dict[str, Runner] = {}
        self._of_job: dict[int, Runner] = {}

    async def open(self) -> None:
        """Be ready for the first run."""
        await self._warm.open()

    async def launch(self, job: int, run: FlowRun, pool: Pool) -> None:
        """Give a run a process.

        Raises:
            OSError: there is none to be had now.
            CannotLaunch: there never will be; the message names what is wrong.
        """
        try:
            spec = job_of(pool.kind, pool.job, run.launch.get("job", {}))
            runner = await self._runner(pool.kind)
            folder = "" if runner.fetches else await self._folder(run)
        except FlowsError as error:
            raise CannotLaunch(str(error)) from error
        self._of_job[job] = runner
        try:
            await runner.launch(Launch(job, run, spec, folder))
        except BaseException:
            del self._of_job[job]
            raise

    async def _folder(self, run: FlowRun) -> str:
        source = source_of(run.launch)
        if source is None:
            return ""
        return str(await asyncio.to_thread(laid_out, source, code_folder(self._data_dir)))

    async def _runner(self, kind: str) -> Runner:
        if kind not in self._runners:
            made = await asyncio.to_thread(_MAKERS[kind], self)
            self._runners.setdefault(kind, made)
        return self._runners[kind]

    def stop(self, job: int) -> None:
        """Ask a job's process to end."""
        if (runner := self._of_job.get(job)) is not None:
            runner.stop(job)

    def kill(self, job: int) -> None:
        """End a job's process, and all that it has started."""
        if (runner := self._of_job.get(job)) is not None:
            runner.kill(job)

    def is_running(self, job: int) -> bool:
        """Tell whether a job has a process that could show to be alive."""
        runner = self._of_job.get(job)
        return runner is not None and runner.is_running(job)

    def goes_on(self, job: int) -> bool:
        """Tell whether a job's process runs, and does so without this worker."""
        runner = self._of_job.get(job)
        return runner is not None and runner.detached and runner.is_running(job)

    async def close(self) -> None:
        """End all that ends with the worker."""
        for runner in self._runners.values():
            await runner.close()
        await self._reused.close()
        await self._warm.close()

    def _process_ended(self, number: int, code: int | None) -> None:
        if not self._reused.hear_end(number, code):
            self._ended(number, code, "")

    def _ended(self, job: int, code: int | None, why: str) -> None:
        self._of_job.pop(job, None)
        self._tell(job, code, why)

    def make_process(self) -> Runner:
        return ProcessRunner(self._warm, self._reused)

    def make_subprocess(self) -> Runner:
        environments = Environments(self._data_dir / "environments")
        return SubprocessRunner(self._warm, environments, self._store_url, self._settings.lease_ms)

    def make_docker(self) -> Runner:
        try:
            from .docker import DockerPlatform, connected
        except ImportError as error:
            raise _missing("docker") from error
        given = (self._pool, self._store_url, self._settings.lease_ms, self._data_dir)
        return RemoteRunner(DockerPlatform(connected(), *given), self._ended)

    def make_kubernetes(self) -> Runner:
        try:
            from .kubernetes import KubernetesPlatform, connected
        except ImportError as error:
            raise _missing("kubernetes") from error
        given = (self._pool, self._store_url, self._settings.lease_ms)
        return RemoteRunner(KubernetesPlatform(connected(), *given), self._ended)


def _missing(extra: str) -> CannotLaunch:
    return CannotLaunch(f"this worker can't do it: pip install 'upshot[{extra}]'")


_MAKERS: Final[Mapping[str, Callable[[Runners], Runner]]] = {
    "process": Runners.make_process,
    "subprocess": Runners.make_subprocess,
    "docker": Runners.make_docker,
    "kubernetes": Runners.make_kubernetes,
}
