"""Artifacts: what a run shows is kept with its event, in versions by key, and bounded."""

from __future__ import annotations

import asyncio
import math
from typing import Any
from uuid import UUID

import pytest
from pydantic_core import from_json

from upshot import (
    ProcessPoolTaskRunner,
    acreate_markdown_artifact,
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    flow,
    task,
    update_progress_artifact,
)
from upshot.flows.exceptions import InvalidArtifact, OutsideRun

from .conftest import Processes, Seen


def artifacts(seen: Seen) -> list[dict[str, Any]]:
    """Return all artifacts, oldest first."""
    ids = seen.store.execute("ZRANGE", seen.store.keys("artifacts"), 0, -1)
    return sorted((one(seen, each.decode()) for each in ids), key=lambda item: item["version"])


def one(seen: Seen, identity: str) -> dict[str, Any]:
    fields = seen.store.execute("HGETALL", seen.store.keys("artifact", identity))
    shown = {name.decode(): value for name, value in fields.items()}
    return {
        **from_json(shown["doc"]),
        "data": from_json(shown["data"]),
        "description": from_json(shown["description"]),
        "version": int(shown["version"]),
    }


@task
def _show(number: int) -> UUID:
    return create_markdown_artifact(f"# {number}", key="report", description="a number")


def test_each_kind_is_kept_with_the_run_and_task_that_made_it(seen: Seen) -> None:
    @flow
    def f() -> None:
        create_link_artifact("https://example.org", "here", key="link")
        create_table_artifact([{"a": 1, "b": math.nan}], key="rows")
        create_table_artifact({"a": [1, 2]}, key="columns")
        create_table_artifact([["a", 1], ["b", 2]], key="cells")
        create_image_artifact("https://example.org/x.png", key="image")
        _show(1)

    f()
    made = {artifact["key"]: artifact for artifact in artifacts(seen)}
    assert made["link"]["data"] == {"link": "https://example.org", "text": "here"}
    assert made["rows"]["data"] == [{"a": 1, "b": None}]
    assert made["columns"]["data"] == {"a": [1, 2]}
    assert made["cells"]["data"] == [["a", 1], ["b", 2]]
    assert made["image"]["data"] == "https://example.org/x.png"
    assert (made["report"]["type"], made["report"]["description"]) == ("markdown", "a number")
    assert made["report"]["task_run"] == seen.tasks()["_show-0"]["id"]
    assert {artifact["flow_run"] for artifact in made.values()} == {seen.only_run().id}
    event = seen.events("artifact.")[-1]
    assert event["event"] == "artifact.created"
    assert event["resource"]["id"] == f"artifact.{made['report']['id']}"
    assert [labels["role"] for labels in event["related"]] == ["flow-run", "task-run", "flow"]


def test_artifacts_of_one_key_are_versions(seen: Seen) -> None:
    @flow
    def f() -> None:
        for number in range(3):
            _show(number)
        create_markdown_artifact("without a key")

    f()
    versions = [each["version"] for each in artifacts(seen) if each["key"] == "report"]
    assert versions == [1, 2, 3]
    assert [each["version"] for each in artifacts(seen) if each["key"] is None] == [0]


def test_progress_is_updated_in_its_place(seen: Seen) -> None:
    @flow
    def f() -> None:
        made = create_progress_artifact(0.0, description="loads")
        for percent in (50.0, 50.0, 100.0):
            assert update_progress_artifact(made, percent) == made

    f()
    (artifact,) = artifacts(seen)
    assert (artifact["data"], artifact["description"]) == (100.0, "loads")
    assert seen.names("artifact.") == ["artifact.created", *["artifact.updated"] * 2]


def test_updating_what_is_forgotten_changes_nothing(seen: Seen) -> None:
    @flow
    def f() -> None:
        update_progress_artifact("01a1f91c-d23f-725a-ba6b-50fa60dad998", 1)

    f()
    assert artifacts(seen) == []
    assert seen.names("artifact.") == []


def test_what_makes_an_artifact_can_be_awaited_and_does_it_anyway(seen: Seen) -> None:
    @flow
    async def f() -> None:
        first = await create_markdown_artifact("awaited")
        assert isinstance(first, UUID)
        create_markdown_artifact("not awaited")
        await acreate_markdown_artifact("the twin")

    asyncio.run(f())
    data = {each["data"] for each in artifacts(seen)}
    assert data == {"awaited", "not awaited", "the twin"}


@flow(task_runner=ProcessPoolTaskRunner(1))
def _elsewhere() -> None:
    _show.submit(7).result()


def test_a_task_in_another_process_shows_its_artifacts(seen: Seen) -> None:
    _elsewhere()
    (artifact,) = artifacts(seen)
    assert artifact["data"] == "# 7"
    assert artifact["task_run"] == seen.tasks()["_show-0"]["id"]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: create_markdown_artifact("x", key="Not This"), "key: 'Not This' is not made of"),
        (lambda: create_markdown_artifact("x" * 2_000_000), "markdown: has 2,000,002 bytes"),
        (lambda: create_markdown_artifact(7), "markdown: must be text"),  # type: ignore[arg-type]
        (lambda: create_markdown_artifact("x", description="x" * 20_000), "description: at most"),
        (lambda: create_table_artifact("abc"), "table: must be a dict or a list"),
        (lambda: create_table_artifact([1]), "table: row 0 must be"),  # type: ignore[arg-type]
        (lambda: create_table_artifact({"a": 1}), "table: column 'a' must be"),  # type: ignore[dict-item]
        (lambda: create_progress_artifact(101), "progress: must be a number from 0 to 100"),
        (lambda: create_progress_artifact(math.nan), "progress: must be"),
        (lambda: update_progress_artifact("x", 1), "artifact_id: 'x' is no id"),
        (lambda: create_markdown_artifact("\ud800"), "markdown: can't be written as JSON"),
    ],
)
def test_what_is_no_artifact_is_refused_with_the_field(seen: Seen, make: Any, problem: str) -> None:
    @flow
    def f() -> None:
        with pytest.raises(InvalidArtifact, match=problem):
            make()

    f()
    assert artifacts(seen) == []


def test_a_table_that_holds_itself_is_refused(seen: Seen) -> None:
    rows: list[Any] = []
    rows.append(rows)

    @flow
    def f() -> None:
        with pytest.raises(InvalidArtifact, match="table: can't be written as JSON"):
            create_table_artifact(rows)

    f()


def test_outside_of_runs_there_is_nothing_to_show_it_with() -> None:
    with pytest.raises(OutsideRun, match="create_markdown_artifact"):
        create_markdown_artifact("x")


def test_code_that_runs_again_in_the_same_attempt_makes_no_second_one(
    processes: Processes,
) -> None:
    path = processes.module(
        """
        from upshot import create_markdown_artifact, flow, suspend_flow_run

        @flow
        def f():
            create_markdown_artifact("before", key="k")
            suspend_flow_run(key="p")
            create_markdown_artifact("after", key="k")
        """
    )
    run, _ = processes.execute(f"{path}:f")
    assert run.state.name == "Suspended"
    assert [each["data"] for each in artifacts(processes.seen)] == ["before"]
    from upshot.flows import resume_flow_run

    resume_flow_run(run.id)
    processes.go(run.id)
    assert processes.seen.run(run.id).state.name == "Completed"
    made = [(each["version"], each["data"]) for each in artifacts(processes.seen)]
    assert made == [(1, "before"), (2, "after")]


def test_artifacts_go_with_their_run(seen: Seen) -> None:
    @flow
    def f() -> None:
        _show(1)

    f()
    f()
    seen.store.call("forget_runs", 32503680000000, 1)
    (left,) = artifacts(seen)
    assert left["flow_run"] == seen.only_run().id
    seen.store.call("forget_runs", 32503680000000, 1)
    assert not seen.store.execute("KEYS", "*artifact*")
