"""Limits within one process: tasks by tag, blocks by name, rates; in threads and coroutines."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from pydantic_core import to_json

from tests.waiting import eventually
from upshot import concurrency, flow, rate_limit, resume_flow_run, task
from upshot.flows.exceptions import LimitTimeout, LimitTooSmall, NoLimit, OutsideRun
from upshot.flows.states import State

from .conftest import Processes, Seen


def define(seen: Seen, name: str, limit: int, **more: Any) -> None:
    body = to_json({"name": name, "limit": limit, "active": True, **more})
    seen.store.call("put", "limit", name, "", body, "")


class Meter:
    """Counts how many are inside at a time."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.now -= 1


def left_behind(seen: Seen) -> list[str]:
    keys = [key.decode() for key in seen.store.execute("KEYS", "*")]
    return [key for key in keys if ":slots:" in key or ":line:" in key or ":asked:" in key]


def test_tasks_of_a_tag_run_as_many_at_a_time_as_its_limit_says(seen: Seen) -> None:
    define(seen, "tag:db", 2)
    meter = Meter()

    @task(tags=["db"])
    def query(_number: int) -> None:
        with meter:
            time.sleep(0.01)

    @task(tags=["db"])
    async def query_async(_number: int) -> None:
        with meter:
            await asyncio.sleep(0.01)

    @flow
    def load() -> None:
        for future in [*query.map(range(10)), *query_async.map(range(10))]:
            future.result()

    load()
    assert meter.most == 2
    assert left_behind(seen) == []


def test_a_block_has_slots_of_all_its_limits_and_gives_them_back_when_it_fails(seen: Seen) -> None:
    define(seen, "a", 3)
    define(seen, "b", 2)

    @flow
    def work() -> None:
        with concurrency(["a", "b"], occupy=2):
            with concurrency("a", timeout_seconds=5):
                pass
            with pytest.raises(LimitTimeout, match=r"b: no slot within 0\.05 seconds"):
                concurrency("b", timeout_seconds=0.05).__enter__()
            with pytest.raises(LimitTimeout, match="no slot is free"):
                concurrency("b", timeout_seconds=0).__enter__()
        with pytest.raises(LimitTooSmall), concurrency("b", 3):
            pass
        with pytest.raises(NoLimit), concurrency("c", strict=True):
            pass
        with concurrency("c"):
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert left_behind(seen) == []


def test_a_coroutine_that_is_cancelled_in_line_leaves_it(seen: Seen) -> None:
    define(seen, "a", 1)

    async def enter() -> None:
        async with concurrency("a"):
            await asyncio.sleep(60)

    @flow
    async def work() -> None:
        async with concurrency("a"):
            waiting = [asyncio.create_task(enter()) for _ in range(5)]
            await asyncio.sleep(0.05)
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.sleep(0.05)

    asyncio.run(work())
    assert left_behind(seen) == []


def test_the_line_is_served_by_priority_and_then_in_order(seen: Seen) -> None:
    define(seen, "a", 1)
    served: list[str] = []

    def in_line(name: str) -> int:
        return int(seen.store.execute("ZCARD", seen.store.keys("line", name)))

    async def enter(name: str, priority: int) -> None:
        async with concurrency("a", priority=priority):
            served.append(name)

    @flow
    async def work() -> None:
        async with concurrency("a"):
            waiting = []
            for name, priority in (("late", 1), ("first", 0), ("second", 0), ("urgent", -5)):
                waiting.append(asyncio.create_task(enter(name, priority)))
                await asyncio.to_thread(eventually, lambda: in_line("a") == len(waiting))
        await asyncio.gather(*waiting)

    asyncio.run(work())
    assert served == ["urgent", "first", "second", "late"]


def test_each_wait_has_its_events_with_the_run_among_the_related(seen: Seen) -> None:
    define(seen, "tag:db", 1)

    @task(tags=["db"])
    def query(_number: int) -> None: ...

    @flow
    def load() -> None:
        with concurrency("tag:db"):
            future = query.submit(1)
            eventually(lambda: seen.store.execute("ZCARD", seen.store.keys("line", "tag:db")))
        future.wait()

    load()
    reached, acquired = seen.events("limit.")
    assert (reached["event"], acquired["event"]) == ("limit.reached", "limit.acquired")
    assert reached["resource"]["name"] == "tag:db"
    assert reached["related"][0]["role"] == "flow-run"
    assert acquired["payload"]["waited_ms"] >= 0


def test_a_wait_that_is_given_up_has_an_event_at_its_end(seen: Seen) -> None:
    define(seen, "a", 1)

    @flow
    def load() -> None:
        with concurrency("a"), pytest.raises(LimitTimeout), concurrency("a", timeout_seconds=0.05):
            pass

    load()
    assert seen.names("limit.") == ["limit.reached", "limit.abandoned"]


def test_a_run_that_is_paused_in_a_line_leaves_it_and_stands_in_it_again(
    processes: Processes,
) -> None:
    source = """
    from upshot import concurrency, flow

    @flow
    def f():
        with concurrency("a"):
            pass
    """
    seen = processes.seen
    define(seen, "a", 1)
    holder = processes.create("x.py:y")
    arguments = (holder.id, "", f"{holder.id}/1", 1, 0, 1, "p", b"{}", b"", "a")
    assert seen.store.call("acquire", *arguments) == 1
    run = processes.create(f"{processes.module(source)}:f")
    process = processes.start(processes.take(run.id))
    eventually(lambda: seen.names("limit.reached"))
    processes.change(run.id, State("Paused"))
    eventually(lambda: seen.names("limit.abandoned"))
    resume_flow_run(run.id)
    eventually(lambda: len(seen.names("limit.reached")) == 2)
    seen.store.call("release", f"{holder.id}/1")
    process.end()
    told = [name.removeprefix("limit.") for name in seen.names("limit.")]
    assert told == ["reached", "abandoned", "reached", "acquired"]


def test_a_rate_gives_each_call_its_moment(seen: Seen) -> None:
    define(seen, "api", 2, slot_decay_per_second=1000)
    define(seen, "slow", 1, slot_decay_per_second=0.001)

    @flow
    def work() -> None:
        for _ in range(10):
            rate_limit("api")
        rate_limit("slow")
        with pytest.raises(LimitTimeout):
            rate_limit("slow", timeout_seconds=1)
        rate_limit("unknown")
        with pytest.raises(NoLimit):
            rate_limit("unknown", strict=True)

    @flow
    async def work_async() -> None:
        await asyncio.gather(*(rate_limit("api") for _ in range(5)))

    work()
    asyncio.run(work_async())


def test_wrong_uses_say_so(seen: Seen) -> None:
    with pytest.raises(OutsideRun):
        concurrency("a").__enter__()
    with pytest.raises(OutsideRun):
        rate_limit("a")
    with pytest.raises(ValueError, match="occupy"):
        concurrency("a", 0)
    with pytest.raises(ValueError, match="names"):
        concurrency([])
    with pytest.raises(ValueError, match="priority"):
        concurrency("a", priority=5000)
