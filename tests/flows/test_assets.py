"""Assets: runs materialise them, know what they were made of, and stop where a check says so."""

from __future__ import annotations

from typing import Any

import pytest

from upshot import (
    Asset,
    AssetCheckResult,
    AssetProperties,
    MaterializingTask,
    ProcessPoolTaskRunner,
    add_asset_metadata,
    asset_check,
    flow,
    materialize,
    task,
)
from upshot.flows.exceptions import InvalidAsset, OutsideRun

from .conftest import Seen

ORDERS = Asset("warehouse/orders", AssetProperties(name="Orders", url="https://example.org/o"))


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
    now = seen.asset("warehouse/orders")
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
    assert seen.asset("a")["failed"]["message"] == "ValueError: no"
    assert "materialized" not in seen.asset("a")


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
    assert seen.asset("a")["materialized"]["metadata"] == {"attempt 2": True}


@flow(task_runner=ProcessPoolTaskRunner(1))
def _elsewhere() -> None:
    load_orders.submit(5).result()


def test_a_task_in_another_process_says_the_same(seen: Seen) -> None:
    _elsewhere()
    made = seen.asset(ORDERS.key)["materialized"]
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
    assert seen.asset("a")["materialized"]["metadata"] == {}


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
