"""Caching: what was computed is found again, for as long as it counts, and by one at a time."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import eventually
from upshot import (
    INPUTS,
    flow,
    task,
)
from upshot.flows.states import State

from .conftest import Processes, Seen


@pytest.fixture
def ran() -> list[Any]:
    return []


def test_a_call_with_known_inputs_is_cached_in_any_run(seen: Seen, ran: list[Any]) -> None:
    @task(cache_policy=INPUTS)
    def double(x: int, y: int = 0) -> int:
        ran.append(x)
        return 2 * x

    @flow
    def f() -> list[int]:
        return [double(1), double(1, 0), double(2), double.submit(2).result()]

    assert f() == [2, 2, 4, 4]
    assert f() == [2, 2, 4, 4]
    assert ran == [1, 2]
    last = seen.runs()[-1]
    states = seen.states("double-0", last.id)
    assert states == ["Pending", "Cached"]
    record = seen.tasks(last.id)["double-0"]
    assert (record["state"]["type"], record["result"], record["attempt"]) == ("Completed", 2, 0)
    assert "by task run double-0" in record["state"]["message"]


async def test_coroutines_are_cached_as_well(seen: Seen, ran: list[Any]) -> None:
    @task(cache_policy=INPUTS)
    async def double(x: int) -> int:
        ran.append(x)
        return 2 * x

    @flow
    async def f() -> list[int]:
        return [await double(1), await double(1), await double.submit(1)]

    assert await f() == [2, 2, 2]
    assert ran == [1]


def test_a_result_counts_no_more_once_it_expired(seen: Seen, ran: list[Any]) -> None:
    @task(cache_policy=INPUTS, cache_expiration=timedelta(hours=1))
    def value(x: int) -> int:
        ran.append(x)
        return x

    @flow
    def f() -> list[int]:
        return [value(1), value(1)]

    f()
    assert ran == [1]
    store = seen.store
    key, until = store.keys("cache", "until"), 1000 * (time.time() + 3600)
    (name, score) = store.execute("ZRANGE", key, 0, -1, "WITHSCORES")[0]
    assert until - 60_000 < float(score) < until + 1000
    store.execute("ZADD", key, 1000 * time.time() - 1, name)
    f()
    assert ran == [1, 1]
    store.execute("ZADD", key, 1000 * time.time() - 1, name)
    assert [store.call("sweep_cache", 10) for _ in range(2)] == [1, 0]
    assert store.execute("HLEN", store.keys("cache")) == 0


def test_refreshing_computes_anew_and_caches_that(seen: Seen) -> None:
    count = iter(range(10))

    @task(cache_policy=INPUTS)
    def number(x: int) -> int:
        return next(count)

    @flow
    def f(refresh: bool) -> int:
        return number.with_options(refresh_cache=refresh)(1)

    assert [f(False), f(False), f(True), f(False)] == [0, 0, 1, 1]


def test_the_same_is_computed_once_where_it_is_serializable(seen: Seen) -> None:
    computed: list[int] = []

    @task(cache_policy=INPUTS.configure(isolation_level="SERIALIZABLE"))
    def slow(x: int) -> int:
        time.sleep(0.2)
        computed.append(x)
        return x

    @flow
    def f() -> list[int]:
        return slow.map([1, 1, 2, 1]).result()

    threads = [threading.Thread(target=f) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(computed) == {1: 1, 2: 1}
    assert seen.store.execute("HLEN", seen.store.keys("locks")) == 0


def test_a_failure_lets_go_of_the_lock(seen: Seen) -> None:
    fails = [True, False]

    @task(cache_policy=INPUTS.configure(isolation_level="SERIALIZABLE"))
    def shaky() -> int:
        if fails.pop(0):
            raise ValueError("once")
        return 1

    @flow
    def f() -> int:
        return shaky()

    with pytest.raises(ValueError, match="once"):
        f()
    assert seen.store.execute("HLEN", seen.store.keys("locks")) == 0
    assert f() == 1


def test_who_computes_a_result_is_not_waited_for_by_what_it_calls(seen: Seen) -> None:
    depth: list[int] = []

    @task(cache_policy=INPUTS.configure(isolation_level="SERIALIZABLE"))
    def again(x: int) -> int:
        depth.append(x)
        return again.submit(x).result() if len(depth) < 3 else x

    @flow
    def f() -> int:
        return again(1)

    assert f() == 1
    assert depth == [1, 1, 1]


LOCKED = """
import time
from pathlib import Path
from upshot import flow, task, INPUTS
here = Path(__file__).parent

@task(cache_policy=INPUTS.configure(isolation_level="SERIALIZABLE"))
def slow(x: int) -> int:
    with open(here / "begun", "a") as file:
        file.write("x")
    while not (here / "go").exists():
        time.sleep(0.01)
    return x

@flow
def f() -> int:
    return slow(1)
"""


def test_the_lock_of_a_killed_holder_is_free_once_its_lease_is_over(
    processes: Processes, tmp_path: Path
) -> None:
    path = processes.module(LOCKED) + ":f"
    holder, waiter = processes.create(path), processes.create(path)
    first = processes.start(processes.take(holder.id, lease_ms=600), lease_ms=600)
    eventually(lambda: (tmp_path / "begun").exists())
    second = processes.start(processes.take(waiter.id, lease_ms=600), lease_ms=600)
    eventually(lambda: "slow-0" in processes.seen.tasks(waiter.id))
    first.send_signal(signal.SIGKILL)
    first.end()
    eventually(lambda: (tmp_path / "begun").read_text() == "xx")
    (tmp_path / "go").touch()
    second.end()
    assert processes.seen.run(waiter.id).result == 1
    processes.change(holder.id, State("Crashed"))
    again = processes.retry(holder.id)
    assert again.result == 1
    assert (tmp_path / "begun").read_text() == "xx"
    store = processes.seen.store
    assert store.call("sweep_locks") == 0
    assert store.execute("HLEN", store.keys("locks")) == 0


def test_the_cache_is_bounded_and_the_oldest_go_first(seen: Seen) -> None:
    store = seen.store
    for number in range(6):
        store.call("cache", 4, f"k{number}", "{}", f"/there/{number}", 0)
    assert [bool(store.call("find_cached", f"k{number}")) for number in range(6)] == [
        False, False, True, True, True, True,
    ]  # fmt: skip
    assert sorted(store.execute("SMEMBERS", store.keys("litter"))) == [
        b"file /there/0", b"file /there/1",
    ]  # fmt: skip


def test_a_cached_file_that_is_gone_is_computed_again(
    seen: Seen, tmp_path: Path, ran: list[Any]
) -> None:
    @task(cache_policy=INPUTS)
    def value(x: int) -> int:
        ran.append(x)
        return x

    @flow
    def f() -> int:
        return value(1)

    f()
    (cached,) = (tmp_path / "data" / "results" / "cache").iterdir()
    cached.write_bytes(b"{ not JSON")
    assert f() == 1
    for path in cached.parent.iterdir():
        path.unlink()
    assert f() == 1
    assert ran == [1, 1, 1]
    assert any("what is cached can't be used" in line for line in seen.messages(seen.runs()[-1].id))
