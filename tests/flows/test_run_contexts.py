"""What code is told of the run that it is in, and of runs that did not complete."""

from __future__ import annotations

from typing import Any

import pytest

from upshot import ProcessPoolTaskRunner, flow, get_run_context, runtime, task
from upshot.context import FlowRunContext, TaskRunContext
from upshot.flows.exceptions import (
    CancelledRun,
    CrashedRun,
    FailedRun,
    MissingResult,
    NotCompleted,
    OutsideRun,
    UnfinishedRun,
)
from upshot.flows.states import State

from .conftest import Seen


@task
def told(x: int) -> list[Any]:
    here = get_run_context()
    assert isinstance(here, TaskRunContext)
    around = FlowRunContext.get()
    assert around is not None
    called = here.task and here.task.name
    return [here.task_run.name, called, dict(here.parameters), around.flow_run.flow]


def test_code_gets_the_run_that_it_is_in(seen: Seen) -> None:
    @flow
    def f(n: int) -> list[Any]:
        here = get_run_context()
        assert isinstance(here, FlowRunContext)
        assert TaskRunContext.get() is None
        assert here.flow is not None
        return [here.flow.name, here.flow_run.name, dict(here.parameters), told(3)]

    given = f(1)
    task_told = ["told-0", "told", {"x": 3}, "f"]
    assert given == ["f", seen.only_run().name, {"n": 1}, task_told]


def test_a_task_in_another_process_knows_its_run_too(seen: Seen) -> None:
    @flow(task_runner=ProcessPoolTaskRunner(1))
    def f() -> list[Any]:
        return told.submit(3).result()

    assert f() == ["told-0", None, {}, "f"]


def test_outside_of_runs_there_is_none() -> None:
    assert FlowRunContext.get() is None
    with pytest.raises(OutsideRun):
        get_run_context()
    with pytest.raises(RuntimeError):
        get_run_context()


def test_a_run_knows_the_outermost_one_and_its_version(seen: Seen) -> None:
    @flow(version="2")
    def inner() -> list[str | None]:
        return [runtime.flow_run.root_flow_run_id, runtime.flow_run.flow_version]

    @flow
    def middle() -> list[str | None]:
        return inner()

    @flow
    def outer() -> list[str | None]:
        return [runtime.flow_run.id, runtime.flow_run.root_flow_run_id, *middle()]

    own, root, seen_within, version = outer()
    assert (root, seen_within, version) == (own, own, "2")
    assert runtime.flow_run.root_flow_run_id is None


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("Failed", FailedRun),
        ("TimedOut", FailedRun),
        ("Crashed", CrashedRun),
        ("Cancelled", CancelledRun),
        ("Running", UnfinishedRun),
    ],
)
def test_the_error_says_how_a_run_did_not_complete(state: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=state):
        State(state).result()
    assert issubclass(error, NotCompleted)
    assert issubclass(MissingResult, NotCompleted)
