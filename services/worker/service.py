"""The worker's work, put together.

queue entry → claim (Pending, ours) → the runner of the pool's type gives it a process → that runs
the flow → its end is told → a run that did not end with it is ended here → the slot is free again
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from itertools import count
from typing import Any, Final

import stamina
import structlog
from prometheus_client import CollectorRegistry

from upshot.events.exceptions import EventsError, RetryableEventsError
from upshot.events.settings import Settings
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.runs.registry import Runs
from upshot.services.endings import Loss, describe_exit, loss_of, settle

from ..exceptions import CannotLaunch
from .claims import Claims, Waiting
from .pool import Pool
from .presence import Presence
from .queue import Queue
from .runners.base import RECORDED
from .runners.choosing import Runners
from .slots import Slots
from .watch import Job, Step
from .watching import Watching

log = structlog.get_logger(__name__)

_RETRY_START_SECONDS: Final = 1.0
"""How long a slot stays empty that could not be used."""
_LOOK_SECONDS: Final = 1.0


class Worker:
    """One worker of a pool.

    Args:
        store: where runs and queue are.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        pool: str,
        name: str,
        *,
        registry: CollectorRegistry,
    ) -> None:
        self._store, self._pool = store, pool
        self._grace = settings.worker_grace
        self._period = settings.lease / 3
        self._runs = Runs(store, lease_ms=settings.lease_ms)
        self._claims = Claims(store, self._runs, pool, name)
        self._queue = Queue(store, pool, name, self._take, registry)
        self._slots = Slots(settings.worker_concurrency)
        self._runners = Runners(store.url, settings, pool, self._ended)
        self._jobs: dict[int, Job] = {}
        self._watching = Watching(
            store, settings.lease_ms, self._jobs, self._do, self._runners.is_running
        )
        self._numbers = count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping, self._hurry = asyncio.Event(), asyncio.Event()
        self._presence = Presence.of(store, name, pool, self._slots.used, self._stopping.is_set)

    def stop(self) -> None:
        """Drain; asked again, don't wait for the flows."""
        (self._hurry if self._stopping.is_set() else self._stopping).set()

    async def run(self) -> None:
        """Work until stopped and drained.

        Raises:
            StoreUnsuitable: a newer Upshot uses the store now; runs are for its workers.
        """
        await self._runners.open()
        keeping = [
            asyncio.create_task(self._presence.keep_shown(self._period)),
            asyncio.create_task(self._watching.run()),
            asyncio.create_task(self._heed()),
        ]
        reading = asyncio.create_task(self._queue.run())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            # None of the others ends but by an error that nothing here can help: then all must end.
            await asyncio.wait([*keeping, reading, stopping], return_when=asyncio.FIRST_COMPLETED)
            await _end(reading)
            await self._drain()
        finally:
            await self._runners.close()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await _end(*keeping, stopping)
            await self._presence.leave()

    async def _take(self, waiting: Waiting) -> None:
        """Begin with an entry of the queue; return when there is room for another one."""
        self._slots.take()
        self._spawn(self._begin(waiting))
        await self._slots.free()

    async def _begin(self, waiting: Waiting) -> None:
        claimed = None
        try:
            claimed = await self._claim(waiting)
        except EventsError as error:
            # The entry stays where it is; the sweep gives it to somebody.
            log.warning("run not taken", run=waiting.run_id, reason=str(error))
        finally:
            if claimed is None:
                self._slots.release()
        if claimed is not None:
            await self._launch(*claimed)

    async def _claim(self, waiting: Waiting) -> tuple[FlowRun, Pool] | None:
        claimed = await self._claims.claim(waiting)
        if claimed is None:
            await self._claims.settle(waiting)
        return claimed

    async def _launch(self, run: FlowRun, pool: Pool) -> None:
        job = Job(next(self._numbers), run.id, run.epoch, run.name, run.entrypoint)
        self._jobs[job.number] = job
        try:
            await self._runners.launch(job.number, run, pool)
            log.info("run started", run=run.id, name=run.name, entrypoint=run.entrypoint)
        except CannotLaunch as error:
            log.error("a run can't be started", run=run.id, reason=str(error))
            self._ended(job.number, None, str(error))
        except OSError as error:
            log.error("no process for a run", run=run.id, reason=str(error))
            del self._jobs[job.number]
            await self._give_back(run, str(error))
            await asyncio.sleep(_RETRY_START_SECONDS)
            self._slots.release()

    async def _give_back(self, run: FlowRun, reason: str) -> None:
        try:
            await self._claims.give_back(run, reason)
        except EventsError as error:  # its lease lapses, and the scheduler gives it back
            log.warning("run not given back", run=run.id, reason=str(error))

    def _ended(self, number: int, code: int | None, why: str) -> None:
        """Hear of the end of a job's process: its exit code, and why, where that says more."""
        job = self._jobs.pop(number, None)
        if job is None:
            return
        self._slots.release()
        if why == RECORDED:  # its process waits for the next one
            log.debug("run ended", run=job.run_id, name=job.name)
            return
        log.info("process ended", run=job.run_id, name=job.name, code=code)
        self._spawn(self._settle(job, loss_of(code), why or describe_exit(code)))

    async def _settle(self, job: Job, loss: Loss, why: str) -> None:
        """See to it that the run has ended as well; the scheduler would do so a lease later."""
        loss = Loss.REMOVED if job.removed else loss
        message = job.removed or why
        retries = stamina.retry_context(
            on=RetryableEventsError, attempts=None, timeout=self._period * 6, wait_max=1.0
        )
        ended: FlowRun | None = None
        try:
            async for attempt in retries:
                with attempt:
                    ended = await settle(
                        self._store, self._runs, job.run_id, job.epoch, loss, message
                    )
        except EventsError as error:
            log.warning("run not ended", run=job.run_id, reason=str(error))
            return
        if ended is not None:
            log.warning("run ended without its process", run=job.run_id, reason=message)

    async def _do(self, job: Job, step: Step, reason: str) -> None:
        """Act on a verdict about a job."""
        log.info("flow process", step=step.value, run=job.run_id, reason=reason)
        job.removed = job.removed or reason
        if step is Step.ASK:
            job.asked = time.monotonic()
            self._runners.stop(job.number)
        else:
            job.killed = True
            self._runners.kill(job.number)

    async def _heed(self) -> None:
        """Drain when somebody asks for it through the store."""
        await self._presence.asked_to_leave(min(_LOOK_SECONDS, self._period))
        if not self._stopping.is_set():
            self.stop()
        await self._hurry.wait()

    async def _drain(self) -> None:
        """Wait for the running flows; then hand them over: the watch kills who does not stop."""
        if self._jobs or self._tasks:
            log.info("worker drains", running=len(self._jobs))
        hurry = asyncio.create_task(self._hurry.wait())
        idle = asyncio.create_task(self._idle())
        await asyncio.wait([hurry, idle], timeout=self._grace, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        for job in list(self._jobs.values()):
            if job.asked is None:
                await self._hand_over(job)
        await idle

    async def _hand_over(self, job: Job) -> None:
        """Stop a run here, for another worker to go on with it."""
        try:
            await self._store.call("hand_over", job.run_id, job.epoch)
        except EventsError as error:  # then it crashes, which an automation may heal
            log.warning("run not handed over", run=job.run_id, reason=str(error))
        await self._do(job, Step.ASK, "its worker was stopped")

    async def _idle(self) -> None:
        while self._jobs or self._tasks:
            await asyncio.sleep(0.02)
            for number in [each for each in self._jobs if self._runners.goes_on(each)]:
                del self._jobs[number]  # its process is elsewhere, and needs no worker
                self._slots.release()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a run could not be served", exc_info=error)


async def _end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait for them; what one of them failed with is raised."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
