"""Recursion without an end: each run of it is refused or fails, and is recorded."""

from __future__ import annotations

import asyncio

import pytest

from upshot import flow, task

from .conftest import Seen


def test_endless_recursion_fails_each_run_of_it(seen: Seen) -> None:
    @flow
    def f(n: int) -> int:
        return f(n + 1)

    with pytest.raises(RecursionError):
        f(0)
    runs = seen.runs()
    assert len(runs) > 5
    assert {run.state.name for run in runs} == {"Failed"}
    lines = max(message.count("\n") for run in runs for message in seen.messages(run.id))
    assert lines < 100


def test_an_endless_recursion_of_tasks_fails_each_of_them(seen: Seen) -> None:
    @task
    def deeper(n: int) -> int:
        return deeper(n + 1)

    with pytest.raises(RecursionError):
        flow(lambda: deeper(0))()
    assert {record["state"]["name"] for record in seen.tasks().values()} == {"Failed"}


def test_an_endless_recursion_of_coroutines_fails_each_of_them(seen: Seen) -> None:
    @flow
    async def f(n: int) -> int:
        return await f(n + 1)

    with pytest.raises(RecursionError, match="f is not called: too many calls"):
        asyncio.run(f(0))
    assert {run.state.name for run in seen.runs()} == {"Failed"}
