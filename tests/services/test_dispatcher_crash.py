"""Killed or stopped dispatchers, and a killed store: everything is done, and settled once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.services.dispatching import (
    Receiver,
    Service,
    call,
    dispatching,
    entry,
    joined,
    receiving,
)
from tests.waiting import until
from upshot.events.embedded import EmbeddedStore
from upshot.events.settings import Settings

_PROGRAM = """
import asyncio, sys
from upshot.events.settings import Settings
from upshot.services.dispatcher import run
asyncio.run(run(Settings(lease=float(sys.argv[2]), action_concurrency=16), sys.argv[1]))
"""
_LEASE = 0.6


@contextmanager
def process(store_url: str) -> Iterator[int]:
    """Run a dispatcher as a process of its own and give its pid."""
    command = [sys.executable, "-c", _PROGRAM, store_url, str(_LEASE)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as child:
        try:
            yield child.pid
        finally:
            child.kill()


async def _settled_once(service: Service, receiver: Receiver, wanted: list[dict[str, Any]]) -> None:
    try:
        await until(service.idle)
    except TimeoutError:
        raise AssertionError(f"still to do: {await service.state()}") from None
    assert set(receiver.keys) == {f"{each['firing']}:0" for each in wanted}
    for each in wanted:
        assert (await service.outcomes(each["firing"]))["0"]["outcome"] == "succeeded"
    told = await service.events("action.succeeded")
    assert len(told) == len({each["id"] for each in told}) == len(wanted)
    assert await service.letters() == []


async def test_killed_dispatchers_lose_nothing_and_settle_nothing_twice(store_url: str) -> None:
    settings = Settings(lease=_LEASE)
    async with receiving() as receiver, joined(store_url, settings) as service:
        wanted = [entry(call(receiver.url + "/x")) for _ in range(600)]
        await service.send(*wanted)
        for killed in range(1, 3):
            with process(store_url) as pid:
                await receiver.until_asked(killed * 60)
                os.kill(pid, signal.SIGKILL)
        with process(store_url):
            await _settled_once(service, receiver, wanted)


async def test_a_dispatcher_that_sleeps_through_its_lease_settles_nothing_a_second_time(
    store_url: str,
) -> None:
    settings = Settings(lease=_LEASE)
    async with receiving() as receiver, joined(store_url, settings) as service:
        wanted = [entry(call(receiver.url + "/hang")) for _ in range(8)]
        with process(store_url) as sleeper:
            await service.send(*wanted)
            await receiver.until_asked(8)
            os.kill(sleeper, signal.SIGSTOP)
            receiver.held.set()
            with process(store_url):
                await until(service.idle)
            os.kill(sleeper, signal.SIGCONT)
            later = entry(call(receiver.url + "/x"))
            await service.send(later)
            await _settled_once(service, receiver, [*wanted, later])
        assert max(receiver.keys.values()) == 2


async def test_a_store_that_is_killed_and_comes_back_holds_nothing_up(
    store_url: str, embedded: EmbeddedStore
) -> None:
    async with receiving() as receiver, dispatching(store_url) as service:
        before, after = entry(call(receiver.url + "/x")), entry(call(receiver.url + "/x"))
        hanging = entry(call(receiver.url + "/hang"))
        await service.send(before, hanging)
        await receiver.until_asked(2)
        assert embedded.pid is not None
        os.kill(embedded.pid, signal.SIGKILL)
        await asyncio.to_thread(embedded.wait)
        receiver.held.set()
        await asyncio.to_thread(embedded.start)
        await service.send(after)
        await _settled_once(service, receiver, [before, hanging, after])
