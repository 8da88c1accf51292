"""Checks of assets: functions that look at what was materialised."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from upshot import (
    AssetCheckResult,
    asset_check,
    flow,
    materialize,
    task,
)
from upshot.flows.exceptions import AssetCheckFailed, UpstreamFailed

from .conftest import Processes, Seen


def test_each_outcome_of_a_check_has_its_event_and_stands_with_the_asset(seen: Seen) -> None:
    @materialize("a")
    def make() -> int:
        return 3

    @asset_check(asset=make)
    def passes(value: int) -> bool:
        return value == 3

    @asset_check(asset=make, name="it warns", blocking=True)
    def warns(value: int) -> AssetCheckResult:
        return AssetCheckResult(False, severity="warn", metadata={"value": value})

    @asset_check(asset=make)
    def fails() -> bool:
        raise ValueError("it broke")

    @flow
    def f() -> int:
        return make()

    assert f() == 3
    assert seen.names("asset.") == [
        "asset.materialized", "asset.check-passed", "asset.check-warned", "asset.check-failed",
    ]  # fmt: skip
    found = seen.asset("a")
    assert found["check:passes"]["outcome"] == "passed"
    assert found["check:it warns"]["metadata"] == {"value": 3}
    assert "it broke" in found["check:fails"]["description"]


def test_a_blocking_check_that_fails_stops_what_needs_the_asset(seen: Seen) -> None:
    @materialize("a")
    def make() -> int:
        return 3

    @asset_check(asset=make, blocking=True)
    def fails() -> bool:
        return False

    ran: list[int] = []

    @task
    def after(value: Any) -> None:
        ran.append(value)

    @flow
    def f() -> None:
        after(make.submit())

    with pytest.raises(UpstreamFailed):
        f()
    assert ran == []
    assert seen.states("make-0")[-1] == "Failed"
    assert seen.names("asset.") == ["asset.materialized", "asset.check-failed"]


def test_a_task_with_retries_is_tried_again_when_a_check_blocks(seen: Seen) -> None:
    @materialize("a", retries=1)
    def make(seeds: list[int]) -> int:
        return seeds.pop()

    @asset_check(asset=make, blocking=True)
    def positive(value: int) -> bool:
        return value > 0

    @flow
    def f() -> int:
        return make([1, -1])

    assert f() == 1
    assert seen.asset("a")["check:positive"]["outcome"] == "passed"


def test_coroutines_are_checked_by_coroutines(seen: Seen) -> None:
    @materialize("a")
    async def make() -> int:
        return 3

    @asset_check(asset=make, blocking=True)
    async def fails(value: int) -> bool:
        await asyncio.sleep(0)
        return value != 3

    @flow
    async def f() -> None:
        with pytest.raises(AssetCheckFailed, match="fails of a"):
            await make()

    asyncio.run(f())
    assert "asset.check-failed" in seen.names()


def test_checks_of_the_module_apply_by_their_key(processes: Processes) -> None:
    path = processes.module(
        """
        from upshot import asset_check, flow, materialize

        @materialize("a", "b")
        def make(): return 3

        @asset_check(asset="b")
        def of_b(value): return value == 3

        @asset_check(asset="c")
        def of_c(value): return False

        @flow
        def f(): make()
        """
    )
    processes.execute(f"{path}:f")
    assert processes.seen.names("asset.") == [*["asset.materialized"] * 2, "asset.check-passed"]


def test_a_copy_of_the_task_has_its_checks_too(seen: Seen) -> None:
    @materialize("a")
    def make() -> int:
        return 3

    copied = make.with_options(retries=1)

    @asset_check(asset=make)
    def passes(value: int) -> bool:
        return True

    @flow
    def f() -> None:
        copied()

    f()
    assert "asset.check-passed" in seen.names()


def test_a_check_can_be_called_as_the_function_that_it_is() -> None:
    @asset_check(asset="a")
    def positive(value: int) -> bool:
        return value > 0

    assert positive(1)
    assert not positive(-1)


def test_a_check_without_an_answer_is_a_failure(seen: Seen) -> None:
    @materialize("a")
    def make() -> None: ...

    @asset_check(asset=make)
    def forgetful() -> None: ...

    @flow
    def f() -> None:
        make()

    f()
    assert "must return a bool" in seen.asset("a")["check:forgetful"]["description"]
