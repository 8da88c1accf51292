"""Lineage: what an asset was made of."""

from __future__ import annotations

from typing import Any

from upshot import (
    asset,
    flow,
    materialize,
    task,
    unmapped,
)

from .conftest import Processes, Seen


def upstream(seen: Seen, key: str) -> set[str]:
    members = seen.store.execute("SMEMBERS", seen.store.keys("upstream", key))
    return {member.decode() for member in members}


def downstream(seen: Seen, key: str) -> set[str]:
    members = seen.store.execute("SMEMBERS", seen.store.keys("downstream", key))
    return {member.decode() for member in members}


def test_lineage_is_known_from_futures_values_and_dependencies(seen: Seen) -> None:
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

    @asset(deps=["warehouse/orders"])
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


def test_lineage_fans_a_map_in(seen: Seen) -> None:
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


def test_the_latest_materialisation_decides_on_lineage(seen: Seen) -> None:
    @flow
    def f(deps: list[str]) -> None:
        @materialize("a", asset_deps=deps)
        def make() -> None: ...

        make()

    f(["b", "c"])
    f(["c", "d"])
    assert upstream(seen, "a") == {"c", "d"}
    assert downstream(seen, "b") == set()


def test_equal_values_of_others_are_no_lineage(seen: Seen) -> None:
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


def test_a_retried_run_knows_the_lineage_of_what_was_done_before(processes: Processes) -> None:
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
