"""Watches a worker's runs: which is to stop, was taken away, needs its lease kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog

from upshot.events.exceptions import EventsError, RetryableEventsError
from upshot.events.store import Store
from upshot.flows.states import StateType

from .watch import LINGER, Job, Seen, Step, judge, judge_time

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 1.0

Do = Callable[[Job, Step, str], Awaitable[None]]


def seen(answer: Any) -> Seen:
    """Read what the store says about a run."""
    kind, epoch = answer
    if kind is None:
        return Seen(StateType.CRASHED, 0)
    return Seen(StateType(kind.decode()), int(epoch))


class Watching:
    """The watch over the jobs of a worker.

    Args:
        jobs: those that there are, by number. do: acts on a verdict.
        is_running: tells of a job's number whether its process runs.
    """

    def __init__(
        self,
        store: Store,
        lease_ms: int,
        jobs: Mapping[int, Job],
        do: Do,
        is_running: Callable[[int], bool],
    ) -> None:
        self._store = store
        self._lease_ms = lease_ms
        self._jobs = jobs
        self._do = do
        self._is_running = is_running
        self._period = min(_LOOK_SECONDS, lease_ms / 3000)

    async def run(self) -> None:
        """Watch until cancelled; time is kept even while the store is away."""
        while True:
            await asyncio.sleep(self._period)
            for job in list(self._jobs.values()):
                await self._act(job, *judge_time(job, time.monotonic()))
            try:
                await self._look()
            except EventsError as error:
                log.warning("runs not watched", reason=str(error))

    async def _look(self) -> None:
        jobs = list(self._jobs.values())
        keys = self._store.keys
        answers = await self._store.pipeline(
            [("HMGET", keys("run", job.run_id), "type", "epoch") for job in jobs]
        )
        now = time.monotonic()
        for job, answer in zip(jobs, answers, strict=True):
            found = seen(answer)
            if found.ended and job.overdue is None:
                job.overdue = now + LINGER
            running = self._is_running(job.number)
            await self._act(job, *judge(job, found, running=running))

    async def _act(self, job: Job, step: Step, reason: str) -> None:
        if step is Step.RENEW:
            await self._renew(job)
        elif step is not Step.NOTHING and not job.killed:
            await self._do(job, step, reason)

    async def _renew(self, job: Job) -> None:
        now = time.monotonic()
        if now - job.renewed < self._lease_ms / 3000:
            return
        try:
            await self._store.call("renew_run", job.run_id, job.epoch, self._lease_ms)
            job.renewed = now
        except RetryableEventsError:
            raise
        except EventsError as error:
            log.info("lease not kept", run=job.run_id, reason=str(error))
