"""Services that share a process end together, in order, and hurry when asked twice."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable

import pytest

from upshot.services.serving import Run, later, together


class Worker:
    """A service that drains when cancelled, until it is cancelled again."""

    def __init__(self, *, ends_at: int = 1) -> None:
        self.started = asyncio.Event()
        self.cancelled = 0
        self._ends_at = ends_at

    async def run(self) -> None:
        self.started.set()
        while self.cancelled < self._ends_at:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
        raise asyncio.CancelledError


async def fails(after: asyncio.Event) -> None:
    await after.wait()
    raise RuntimeError("broken")


async def until(holds: asyncio.Event) -> None:
    await asyncio.wait_for(holds.wait(), 30)


async def test_one_that_fails_ends_the_others_and_its_error_is_told() -> None:
    worker = Worker()
    with pytest.raises(RuntimeError, match="broken"):
        await together([worker.run, lambda: fails(worker.started)])
    assert worker.cancelled == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_cancels_each_service_once(number: signal.Signals) -> None:
    quick, slow = Worker(), Worker()
    running = asyncio.create_task(together([quick.run, slow.run]))
    await until(quick.started)
    await until(slow.started)
    os.kill(os.getpid(), number)
    await asyncio.wait_for(running, 30)
    assert (quick.cancelled, slow.cancelled) == (1, 1)


async def test_a_service_that_ends_first_does_not_hurry_the_others() -> None:
    quick, draining = Worker(), Worker(ends_at=2)
    running = asyncio.create_task(together([quick.run, draining.run]))
    await until(draining.started)
    os.kill(os.getpid(), signal.SIGTERM)
    while not draining.cancelled:  # noqa: ASYNC110 - it happens in another task
        await asyncio.sleep(0)
    done, _ = await asyncio.wait([running], timeout=0.05)
    assert not done
    assert draining.cancelled == 1
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(running, 30)
    assert draining.cancelled == 2


async def test_a_service_runs_while_the_next_one_is_loaded() -> None:
    workers = {"first": Worker(), "second": Worker()}
    loads = threading.Event()

    def load(name: str) -> Callable[[], Run]:
        if name == "second":
            loads.wait(30)
        return workers[name].run

    running = asyncio.create_task(together(later(["first", "second"], load)))
    await until(workers["first"].started)
    assert not workers["second"].started.is_set()
    loads.set()
    await until(workers["second"].started)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(running, 30)
    assert [each.cancelled for each in workers.values()] == [1, 1]


async def test_what_can_not_be_loaded_ends_those_that_run() -> None:
    worker = Worker()

    def load(name: str) -> Callable[[], Run]:
        raise ImportError(f"no library for {name}")

    with pytest.raises(ImportError, match="no library for late"):
        await together([worker.run, *later(["late"], load)])
    assert worker.cancelled == 1
