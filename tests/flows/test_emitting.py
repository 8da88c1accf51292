"""Events of the user's own: within runs as a part of them, elsewhere on their own."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from upshot import emit_event, flow, task
from upshot.events.event import Causation
from upshot.events.exceptions import InvalidEvent
from upshot.flows.runs.flowrun import new_run
from upshot.flows.runs.transitions import create_arguments
from upshot.flows.states import State

from .conftest import Processes, Seen


def test_an_event_from_anywhere_is_appended_once_for_its_id(seen: Seen) -> None:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(2):
        emit_event("order.placed", {"id": "order.1", "shop": "a"}, id="o-1", occurred=when)
    (event,) = seen.events()
    assert event["resource"] == {"id": "order.1", "shop": "a"}
    assert event["occurred"] == "2026-01-01T00:00:00Z"
    assert event["related"] == []


def test_an_event_of_a_run_stands_among_the_runs_records(seen: Seen) -> None:
    @task
    def place() -> None:
        emit_event("order.placed", "order.1", related=[{"id": "shop.1", "role": "shop"}])
        emit_event("order.placed", "order.1", id="o-1")
        emit_event("order.placed", "order.1", id="o-1")

    @flow
    def f() -> None:
        place()

    f()
    assert seen.names()[2:] == [
        "task-run.pending", "task-run.running", "order.placed", "order.placed",
        "task-run.completed", "flow-run.completed",
    ]  # fmt: skip
    event = seen.events("order.placed")[0]
    assert [labels["role"] for labels in event["related"]] == [
        "shop", "flow-run", "task-run", "flow",
    ]  # fmt: skip
    assert event["related"][1]["id"] == f"flow-run.{seen.only_run().id}"


def test_a_number_that_is_no_json_is_refused_within_runs_and_elsewhere(seen: Seen) -> None:
    payload = {"rates": [1.0, float("nan")]}

    @flow
    def f() -> None:
        emit_event("order.placed", "order.1", payload=payload)

    for refused in (f, f.fn):
        with pytest.raises(InvalidEvent, match=r"^payload\.rates\.1: NaN, Infinity"):
            refused()
    assert seen.names("order.") == []


def test_what_caused_the_run_caused_its_events(processes: Processes) -> None:
    path = processes.module(
        """
        from upshot import emit_event, flow, task

        @task
        def t():
            emit_event("order.placed", "order.1")

        @flow
        def inner():
            t()

        @flow
        def f():
            inner()
        """
    )
    way = Causation(depth=1, chain=["e-1"], automations={"a": 1})
    run = processes.create(f"{path}:f", caused_by="e-1", causation=way)
    assert processes.go(run.id) == 0
    for event in processes.seen.events():
        assert event["follows"] == "e-1"
        assert event["causation"] == way.model_dump()
    assert len(processes.seen.events("order.placed")) == 1


@pytest.mark.parametrize(
    ("name", "resource", "message"),
    [("Order Placed", "order.1", "event: "), ("order.placed", "", "resource: ")],
)
def test_a_wrong_event_is_refused_where_it_is_emitted(
    seen: Seen, name: str, resource: str, message: str
) -> None:
    @flow
    def f() -> None:
        emit_event(name, resource)

    with pytest.raises(InvalidEvent, match=message):
        emit_event(name, resource)
    with pytest.raises(InvalidEvent, match=message):
        f()
    assert seen.events("order") == []


def test_a_naive_time_is_refused(seen: Seen) -> None:
    with pytest.raises(InvalidEvent, match="occurred"):
        emit_event("order.placed", "order.1", occurred=datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_run_keeps_its_parent_and_its_tags(seen: Seen) -> None:
    run = new_run("f", state=State("Pending"), parent="p", tags=("a",))
    seen.store.call("create_run", *create_arguments(run))
    assert seen.run(run.id) == run
