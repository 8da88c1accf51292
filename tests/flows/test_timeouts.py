"""Timeouts of tasks and flows: who waits is released, and what took too long is told so."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

import pytest

from upshot import flow, task
from upshot.flows.calls.timeouts import call_within
from upshot.flows.exceptions import TimedOut

from .conftest import Seen


@task(timeout_seconds=0.05)
def slow() -> None:
    time.sleep(30)


@task(timeout_seconds=0.05)
async def slow_async() -> None:
    await asyncio.sleep(30)


def test_a_timeout_releases_the_caller_whatever_the_task_does(seen: Seen) -> None:
    @flow
    def f() -> list[str]:
        with pytest.raises(TimedOut, match=r"longer than 0\.05 seconds"):
            slow()
        future, other = slow.submit(), slow_async.submit()
        return [future.wait().name, other.wait().name]  # type: ignore[union-attr]

    assert f() == ["TimedOut", "TimedOut"]
    assert seen.states("slow-0") == ["Pending", "Running", "TimedOut"]
    assert seen.tasks()["slow-0"]["state"]["type"] == "Failed"


def test_a_timeout_error_of_the_users_own_is_a_failure(seen: Seen) -> None:
    @task(timeout_seconds=20)
    async def refused() -> str:
        raise TimeoutError("from the server")

    @flow
    async def f() -> str:
        state: Any = await refused(return_state=True)
        return str(state.name)

    assert asyncio.run(f()) == "Failed"


def test_a_flow_that_takes_too_long_is_timed_out(seen: Seen) -> None:
    @flow(timeout_seconds=0.05)
    def f() -> None:
        time.sleep(30)

    @flow(timeout_seconds=0.05)
    async def g() -> None:
        await asyncio.sleep(30)

    with pytest.raises(TimedOut):
        f()
    with pytest.raises(TimedOut):
        asyncio.run(g())
    assert [run.state.name for run in seen.runs()] == ["TimedOut", "TimedOut"]


def test_an_alarm_that_rings_at_the_very_end_is_still_a_timeout() -> None:
    """It may ring while the timeout is being taken back."""

    def ring(_: float) -> None:
        os.kill(os.getpid(), signal.SIGALRM)

    before = signal.getsignal(signal.SIGALRM)
    with pytest.MonkeyPatch.context() as patch:
        real = signal.setitimer

        def setitimer(which: int, seconds: float) -> Any:
            if seconds == 0:
                ring(seconds)
            return real(which, seconds)

        patch.setattr(signal, "setitimer", setitimer)
        with pytest.raises(TimeoutError):
            call_within(5.0, lambda: None, (), {})
    assert signal.getsignal(signal.SIGALRM) == before
    real(signal.ITIMER_REAL, 0)
