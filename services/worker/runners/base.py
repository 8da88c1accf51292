"""What a runner is: it gives runs their processes, stops them, and tells of their ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from upshot.flows.deployments.jobs import Job
from upshot.flows.runs.flowrun import FlowRun

Ended = Callable[[int, int | None, str], None]
"""Told a job's number, the exit code of its process (minus the signal; None when nobody knows it),
and why, where that says more."""

RECORDED: Final = "the run has ended"
"""Told as the reason where the process itself says that it has brought its run to an end."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A run that is to get a process.

    Attributes:
        job: number of the job within its worker.
        spec: the checked job variables of its pool and deployment.
        folder: where its code is; empty where its entrypoint says so by itself.
    """

    job: int
    run: FlowRun
    spec: Job
    folder: str = ""


class Runner(Protocol):
    """Makes the processes of one type of work pool."""

    detached: bool
    """Whether its processes go on without this worker."""
    fetches: bool
    """Whether the run's process fetches the code itself, where it has a source."""

    async def launch(self, launch: Launch) -> None:
        """Give a run a process; its end is told once.

        Raises:
            OSError: there is none to be had now; another try may help.
            CannotLaunch: there never will be, as things are.
        """

    def stop(self, job: int) -> None:
        """Ask a job's process to end; one that has ended is left alone."""

    def kill(self, job: int) -> None:
        """End a job's process, and all that it has started."""

    def is_running(self, job: int) -> bool:
        """Tell whether a job has a process that could show to be alive."""
        ...

    async def close(self) -> None:
        """End all that ends with the worker."""
