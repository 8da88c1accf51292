"""Containers and Jobs of one run, for tests that need no platform: launches, and what is told."""

from __future__ import annotations

from typing import Any

from upshot.flows.deployments.jobs import job_of
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.states import State
from upshot.services.worker.runners.base import Launch

STORE = "redis://store.example:6379/0"
RUN = "01a1f91c-f4ad-745a-9ddc-9e5f0077aadd"
NAME = f"upshot-{RUN}-2"

Answers = dict[str, list[tuple[int, Any]]]


def run(**launch: Any) -> FlowRun:
    return new_run("etl", state=State("Pending"), run_id=RUN, epoch=2, launch=launch)


def launch_of(kind: str, job: dict[str, Any], **launch: Any) -> Launch:
    return Launch(1, run(**launch), job_of(kind, {"image": "flows:3"}, job))


class Ends:
    """What a runner told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int | None, str]] = []

    def __call__(self, job: int, code: int | None, why: str) -> None:
        self.told.append((job, code, why))

    async def any(self) -> list[tuple[int, int | None, str]]:
        return self.told
