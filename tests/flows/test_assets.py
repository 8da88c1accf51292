"""Assets: runs materialise them, know what they were made of, and stop where a check says so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic_core import from_json

from upshot import (
    Asset,
    AssetCheckResult,
    AssetProperties,
    MaterializingTask,
    ProcessPoolTaskRunner,
    add_asset_metadata,
    asset,
    asset_check,
    flow,
    materialize,
    task,
    unmapped,
)
from upshot.flows.exceptions import AssetCheckFailed, InvalidAsset, OutsideRun, UpstreamFailed

from .conftest import Processes, Seen

ORDERS = Asset("warehouse/orders", AssetProperties(name="Orders", url="https://example.org/o"))


def known(seen: Seen, key: str) -> dict[str, Any]:
    """Return what is known of an asset."""
    fields = seen.store.execute("HGETALL", seen.store.keys("asset", key))
    return {name.decode(): _parsed(value) for name, value in fields.items()}


def _parsed(value: bytes) -> Any:
    first, blank, rest = value.partition(b" ")
    return from_json(rest if blank and first.isdigit() else value)


def upstream(seen: Seen, key: str) -> set[str]:
    members = seen.store.execute("SMEMBERS", seen.store.keys("upstream", key))
    return {member.decode() for member in members}


def downstream(seen: Seen, key: str) -> set[str]:
    members = seen.store.execute("SMEMBERS", seen.store.keys("downstream", key))
    return {member.decode() for member in members}


@materialize(ORDERS, by="dbt", version="3")
def load_orders(rows: int = 3) -> list[int]:
    ORDERS.add_metadata({"rows": rows})
    add_asset_metadata(ORDERS, {"day": "today"}, data_version=f"v{rows}")
    return list(range(rows))


def test_a_completed_task_materialises_its_assets(seen: Seen) -> None:
    @flow
    def f() -> None:
        load_orders()

    f()
    f()
    assert seen.names("asset.") == ["asset.materialized"] * 2
    event = seen.events("asset.")[-1]
    assert event["resource"] == {
        "id": "warehouse/orders", "name": "Orders", "url": "https://example.org/o",
    }  # fmt: skip
    roles = [labels["role"] for labels in event["related"]]
    assert roles == ["materialized-by", "flow-run", "task-run", "flow"]
    assert event["payload"]["metadata"] == {"rows": 3, "day": "today"}
    assert event["payload"]["code_version"] == "3"
    assert event["payload"]["data_version"] == "v3"
    now = known(seen, "warehouse/orders")
    assert now["version"] == 2
    assert now["materialized"]["event"] == event["id"]
    assert now["properties"]["name"] == "Orders"
    past = seen.store.execute("LRANGE", seen.store.keys("materializations", ORDERS.key), 0, -1)
    assert [entry.partition(b" ")[0] for entry in past] == [b"2", b"1"]


def test_the_event_comes_before_the_tasks_end(seen: Seen) -> None:
    @flow
    def f() -> None:
        load_orders()

    f()
    names = seen.names()
    assert names.index("asset.materialized") < names.index("task-run.completed")


def test_outside_of_flows_it_is_the_plain_function() -> None:
    assert isinstance(load_orders, MaterializingTask)
    with pytest.raises(OutsideRun, match="add_asset_metadata"):
        load_orders()


def test_a_task_that_failed_for_good_says_so_once(seen: Seen) -> None:
    @materialize("a", retries=1)
    def broken() -> None:
        raise ValueError("no")

    @flow
    def f() -> None:
        broken(return_state=True)

    f()
    assert seen.names("asset.") == ["asset.materialization-failed"]
    assert known(seen, "a")["failed"]["message"] == "ValueError: no"
    assert "materialized" not in known(seen, "a")


def test_what_an_attempt_said_that_failed_is_forgotten(seen: Seen) -> None:
    attempts: list[int] = []

    @materialize("a", retries=1)
    def flaky() -> None:
        attempts.append(1)
        add_asset_metadata("a", {f"attempt {len(attempts)}": True})
        if len(attempts) == 1:
            raise ValueError("no")

    @flow
    def f() -> None:
        flaky()

    f()
    assert known(seen, "a")["materialized"]["metadata"] == {"attempt 2": True}


class TestLineage:
    """What an asset was made of."""

    def test_it_is_known_from_futures_values_and_dependencies(self, seen: Seen) -> None:
        @materialize("raw")
        def raw() -> list[int]:
            return [1, 2]

        @materialize("other")
        def other() -> int:
            return 7

        @task
        def plain(rows: list[int]) -> dict[str, list[int]]:
            return {"rows": rows}

        @materialize("clean", asset_deps=["s3://outside", raw])
        def clean(rows: Any, more: Any) -> list[int]:
            found: list[int] = rows["rows"]
            return found

        @asset(deps=[ORDERS])
        def report(parts: list[Any]) -> None: ...

        @flow
        def f() -> None:
            report([clean(plain(raw()), other.submit())])

        f()
        assert upstream(seen, "clean") == {"raw", "other", "s3://outside"}
        assert upstream(seen, "report") == {"clean", "warehouse/orders"}
        assert downstream(seen, "raw") == {"clean"}
        assert downstream(seen, "warehouse/orders") == {"report"}
        made = seen.events("asset.materialized")[-1]
        ups = [x["id"] for x in made["related"] if x["role"] == "upstream-asset"]
        assert sorted(ups) == ["clean", "warehouse/orders"]
        referenced = {event["resource"]["id"] for event in seen.events("asset.referenced")}
        assert referenced == {"raw", "other", "s3://outside", "clean", "warehouse/orders"}

    def test_a_map_is_fanned_in(self, seen: Seen) -> None:
        @materialize("part")
        def part(number: int) -> int:
            return number

        @task
        def doubled(number: int, by: int) -> int:
            return number * by

        @materialize("sum")
        def total(numbers: Any) -> int:
            return sum(numbers)

        @flow
        def f() -> int:
            return total(doubled.map(part.map([1, 2, 3]), unmapped(2)))

        assert f() == 12
        assert upstream(seen, "sum") == {"part"}

    def test_the_latest_materialisation_decides(self, seen: Seen) -> None:
        @flow
        def f(deps: list[str]) -> None:
            @materialize("a", asset_deps=deps)
            def make() -> None: ...

            make()

        f(["b", "c"])
        f(["c", "d"])
        assert upstream(seen, "a") == {"c", "d"}
        assert downstream(seen, "b") == set()

    def test_equal_values_of_others_are_not_mistaken(self, seen: Seen) -> None:
        @materialize("raw")
        def raw() -> str:
            return "ok"

        @materialize("other")
        def other(word: str) -> None: ...

        @flow
        def f() -> None:
            raw()
            other("ok")

        f()
        assert upstream(seen, "other") == set()

    def test_a_retried_run_knows_it_of_what_was_done_before(self, processes: Processes) -> None:
        path = processes.module(
            """
            from pathlib import Path
            from upshot import flow, materialize

            @materialize("raw")
            def raw(): return {"rows": [1]}

            @materialize("clean")
            def clean(rows):
                if not Path("mended").exists():
                    raise ValueError("not yet")

            @flow
            def f(): clean(raw())
            """
        )
        run, _ = processes.execute(f"{path}:f")
        assert run.state.name == "Failed"
        (processes.folder / "mended").touch()
        assert processes.retry(run.id).state.name == "Completed"
        assert upstream(processes.seen, "clean") == {"raw"}
        names = processes.seen.names("asset.")
        assert names.count("asset.materialized") == 2  # of each, once


class TestChecks:
    """Functions that look at what was materialised."""

    def test_each_outcome_has_its_event_and_stands_with_the_asset(self, seen: Seen) -> None:
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
        found = known(seen, "a")
        assert found["check:passes"]["outcome"] == "passed"
        assert found["check:it warns"]["metadata"] == {"value": 3}
        assert "it broke" in found["check:fails"]["description"]

    def test_a_blocking_one_that_fails_stops_what_needs_the_asset(self, seen: Seen) -> None:
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

    def test_a_task_with_retries_is_tried_again_when_one_blocks(self, seen: Seen) -> None:
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
        assert known(seen, "a")["check:positive"]["outcome"] == "passed"

    def test_coroutines_are_checked_by_coroutines(self, seen: Seen) -> None:
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

    def test_those_of_the_module_apply_by_their_key(self, processes: Processes) -> None:
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

    def test_a_copy_of_the_task_has_them_too(self, seen: Seen) -> None:
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

    def test_it_can_be_called_as_the_function_that_it_is(self) -> None:
        @asset_check(asset="a")
        def positive(value: int) -> bool:
            return value > 0

        assert positive(1)
        assert not positive(-1)

    def test_what_is_no_answer_is_a_failure(self, seen: Seen) -> None:
        @materialize("a")
        def make() -> None: ...

        @asset_check(asset=make)
        def forgetful() -> None: ...

        @flow
        def f() -> None:
            make()

        f()
        assert "must return a bool" in known(seen, "a")["check:forgetful"]["description"]


@flow(task_runner=ProcessPoolTaskRunner(1))
def _elsewhere() -> None:
    load_orders.submit(5).result()


def test_a_task_in_another_process_says_the_same(seen: Seen) -> None:
    _elsewhere()
    made = known(seen, ORDERS.key)["materialized"]
    assert made["metadata"] == {"rows": 5, "day": "today"}
    assert made["data_version"] == "v5"


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: materialize(), "assets: write @materialize"),
        (lambda: materialize(lambda: None), "assets: write @materialize"),  # type: ignore[arg-type]
        (lambda: materialize("a b"), "asset: 'a b' is no key"),
        (lambda: materialize("a*"), "is no key"),
        (lambda: materialize("x" * 513), "is no key"),
        (lambda: task(asset_deps="a"), "asset_deps: must be a list"),
        (lambda: task(asset_deps=[task(print)]), "asset_deps: .* is no asset"),
        (lambda: asset_check(asset=task(print)), "asset: .* is no asset"),
        (lambda: AssetCheckResult(False, severity="bad"), "severity: 'bad'"),  # type: ignore[arg-type]
        (lambda: Asset("a", AssetProperties(name="x" * 2000)), "name: must be text of at most"),
        (lambda: materialize("a")(_generator), "a generator"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_stands(make: Any, problem: str) -> None:
    with pytest.raises(InvalidAsset, match=problem):
        make()


def _generator() -> Any:
    yield 1


@pytest.mark.parametrize(
    ("key", "metadata", "problem"),
    [
        ("b", {}, "does not materialise 'b', but a"),
        ("a", {"x": object()}, "metadata: can't be written as JSON"),
        ("a", {"x": "x" * 70_000}, "metadata: 70,008 bytes"),
        ("a", [1], "metadata: must be a dict"),
    ],
)
def test_metadata_that_is_wrong_is_refused(
    seen: Seen, key: str, metadata: Any, problem: str
) -> None:
    @materialize("a")
    def make() -> None:
        with pytest.raises(InvalidAsset, match=problem):
            add_asset_metadata(key, metadata)

    @flow
    def f() -> None:
        make()

    f()
    assert known(seen, "a")["materialized"]["metadata"] == {}


def test_a_cached_result_is_no_materialisation(seen: Seen) -> None:
    from upshot import INPUTS

    @materialize("a", cache_policy=INPUTS)
    def make(x: int) -> int:
        return x

    @flow
    def f() -> None:
        make(1)

    f()
    f()
    assert seen.names("asset.") == ["asset.materialized"]
