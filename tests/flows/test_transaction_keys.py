"""Keys of transactions: what was committed under one is not done again by any run."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.waiting import eventually
from upshot import INPUTS, flow, task, transaction
from upshot.flows.exceptions import TransactionFailed

from .conftest import Seen
from .steps import Steps


def test_a_committed_key_skips_the_whole_block_in_any_run(seen: Seen, told: list[Any]) -> None:
    steps = Steps(told)

    @task
    def large(name: str) -> str:
        told.append("large")
        return name * 100_000

    @flow
    def f(overwrite: bool = False) -> tuple[bool, str, int]:
        with transaction(key="monthly", overwrite=overwrite) as txn:
            before = txn.is_committed()
            value = steps.step("a")
            with transaction():
                size = len(large("x"))
        return before, value, size

    assert f() == (False, "A", 100_000)
    assert f() == (True, "A", 100_000)
    assert told == ["a", "large", "commit a"]
    last = seen.runs()[-1]
    assert seen.states("step-0", last.id) == ["Pending", "Cached"]
    message = seen.tasks(last.id)["step-0"]["state"]["message"]
    assert message.startswith("transaction 'monthly' was committed by ")
    assert f(overwrite=True) == (False, "A", 100_000)
    assert told.count("a") == 2


def test_a_block_that_was_undone_commits_no_key_and_caches_nothing(
    seen: Seen, told: list[Any]
) -> None:
    @task(cache_policy=INPUTS)
    def cached(x: int) -> int:
        told.append(x)
        return x

    @flow
    def f(fail: bool) -> None:
        with transaction(key="once"):
            cached(1)
            if fail:
                raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        f(True)
    f(False)
    assert told == [1, 1]

    @flow
    def g() -> int:
        return cached(1)

    g()
    assert told == [1, 1]


def test_a_result_that_is_not_known_is_no_reason_to_run_twice(seen: Seen, told: list[Any]) -> None:
    @task(persist_result=False)
    def secret() -> str:
        told.append("ran")
        return "secret"

    @flow
    def f() -> None:
        with transaction(key="k"):
            secret()

    f()
    told_why = r"'k' is committed, and what it returned is not kept; .+overwrite=True"
    with pytest.raises(TransactionFailed, match=told_why):
        f()
    assert told == ["ran"]


def test_one_at_a_time_has_a_serializable_key(seen: Seen, told: list[Any]) -> None:
    gate = threading.Event()

    @task
    def work() -> int:
        told.append("ran")
        gate.wait(5)
        return len(told)

    @flow
    def f() -> int:
        with transaction(key="k", isolation_level="SERIALIZABLE"):
            return work()

    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(f())) for _ in range(3)]
    for thread in threads:
        thread.start()
    eventually(lambda: told)
    gate.set()
    for thread in threads:
        thread.join()
    assert (told, results) == (["ran"], [1, 1, 1])
    assert seen.store.execute("HLEN", seen.store.keys("locks")) == 0
