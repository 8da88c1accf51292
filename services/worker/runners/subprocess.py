"""Runs as programs of their own: another Python with other packages, or a command around it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from upshot.flows.deployments.jobs import SubprocessJob

from ...exceptions import CannotLaunch
from ..warm import Warm
from .base import Launch
from .environments import Environments
from .started import MODULE, variables


def command_of(spec: SubprocessJob, python: str) -> list[str]:
    """Return the command that starts a run's process."""
    if spec.command is None:
        return [python, "-m", MODULE]
    return [word.replace("{python}", python) for word in spec.command]


def require_program(spec: SubprocessJob, program: str, folder: str, path: str | None) -> None:
    """Make sure that a run's program can be started.

    Args:
        folder: where it starts, if not where the worker does. path: where programs are found.

    Raises:
        CannotLaunch: it can not; names the job variable.
    """
    if folder and not Path(folder).is_dir():
        raise CannotLaunch(f"cwd: there is no folder {folder} on this machine")
    place = Path(folder, program) if "/" in program else program
    if shutil.which(place, path=path) is None:
        field = "command" if spec.command else "venv" if spec.venv else "python"
        raise CannotLaunch(f"{field}: there is no program {program} on this machine")


class SubprocessRunner:
    """The runner of the type ``subprocess``.

    Args:
        warm: starts the programs. environments: makes those that have requirements.
        store_url: address of the store. lease_ms: lease of the runs.
    """

    detached = False
    fetches = False

    def __init__(
        self, warm: Warm, environments: Environments, store_url: str, lease_ms: int
    ) -> None:
        self._warm = warm
        self._environments = environments
        self._store_url = store_url
        self._lease_ms = lease_ms

    async def launch(self, launch: Launch) -> None:
        spec = launch.spec
        assert isinstance(spec, SubprocessJob)
        python = await asyncio.to_thread(self._python, spec)
        env = {**self._path(python), **spec.env}
        env |= variables(launch, self._store_url, self._lease_ms)
        command, folder = command_of(spec, python), spec.cwd or launch.folder
        require_program(spec, command[0], folder, env.get("PATH"))
        await self._warm.run_program(launch.job, command, env, folder)

    def _python(self, spec: SubprocessJob) -> str:
        if spec.requirements:
            return str(self._environments.python_with(spec.requirements))
        if spec.venv is not None:
            return str(Path(spec.venv).expanduser() / "bin" / "python")
        return spec.python or sys.executable

    def _path(self, python: str) -> Mapping[str, str]:
        """Let commands of an environment be found by name, as if it was activated."""
        folder = Path(python).parent
        if not (folder.parent / "pyvenv.cfg").is_file():
            return {}
        path = os.environ.get("PATH", os.defpath)
        return {"VIRTUAL_ENV": str(folder.parent), "PATH": f"{folder}{os.pathsep}{path}"}

    def stop(self, job: int) -> None:
        self._warm.signal(job, signal.SIGTERM)

    def kill(self, job: int) -> None:
        self._warm.signal(job, signal.SIGKILL)

    def is_running(self, job: int) -> bool:
        return self._warm.is_running(job)

    async def close(self) -> None:
        return
