"""What works where no flow is under way: tasks in threads, silence, and a store for tests."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from upshot import TaskFuture, allow_failure, flow, get_run_logger, task, wait
from upshot.events.embedded import find_running
from upshot.flows.exceptions import MappingError, OutsideRun, UpstreamFailed
from upshot.flows.logs.capturing import disable_run_logger
from upshot.flows.testing import own_store

from .conftest import Seen
from .simple import double


@task
async def doubled_later(x: int) -> int:
    await asyncio.sleep(0)
    return 2 * x


@task
def broken() -> int:
    raise ValueError("oh")


def test_a_task_is_submitted_as_a_plain_function(seen: Seen) -> None:
    first = double.submit(2)
    second = double.submit(first)
    assert (first.result(), second.result(), second.state.name) == (4, 8, "Completed")
    assert double.submit(1, return_state=True).result() == 2
    assert not seen.runs()


def test_a_task_is_mapped_as_a_plain_function() -> None:
    futures = double.map([1, 2, 3])
    assert len(wait(futures).done) == 3
    assert futures.result() == [2, 4, 6]
    assert doubled_later.map([1, 2]).result() == [2, 4]
    with pytest.raises(MappingError):
        double.map(3)


def test_what_is_wrong_with_a_submitted_task_is_raised_where_its_result_is_asked_for() -> None:
    failed = broken.submit()
    with pytest.raises(ValueError, match="oh"):
        failed.result()
    with pytest.raises(ValueError, match="oh"):
        double.submit(failed).result()
    with pytest.raises(UpstreamFailed, match="broken is Failed"):
        double.submit(1, wait_for=[failed]).result()
    with pytest.raises(TypeError, match="'x'"):
        double.submit()


def test_a_task_is_called_as_a_plain_function_that_understands_what_calls_ask_for() -> None:
    state = broken(return_state=True)
    assert (state.name, state.message) == ("Failed", "ValueError: oh")
    assert double(double.submit(2)) == 8  # type: ignore[call-overload]
    with pytest.raises(UpstreamFailed):
        double(1, wait_for=[broken.submit()])
    later = doubled_later(double.submit(1))  # type: ignore[call-overload]
    assert asyncio.run(later) == 4
    assert asyncio.run(doubled_later(1, return_state=True)).result() == 2


def test_an_allowed_failure_is_passed_on() -> None:
    @task
    def shown(error: object) -> str:
        return repr(error)

    assert shown.submit(allow_failure(broken.submit())).result() == "ValueError('oh')"


def test_a_submitted_task_may_have_a_parameter_called_function() -> None:
    @task
    def applied(function: str) -> str:
        return function

    assert applied.submit(function="f").result() == "f"


def test_tasks_that_wait_for_tasks_use_up_no_threads() -> None:
    @task
    def nested(depth: int) -> int:
        return 0 if depth == 0 else 1 + nested.submit(depth - 1).result()

    assert nested.map([40, 40, 40, 40]).result() == [40] * 4


async def test_coroutines_wait_for_submitted_tasks() -> None:
    futures: list[TaskFuture[int]] = [doubled_later.submit(n) for n in range(3)]
    assert [await future for future in futures] == [0, 2, 4]
    assert doubled_later.submit(4).result() == 8


def test_a_task_that_logs_can_be_called_without_a_run() -> None:
    @task
    def speaking() -> int:
        get_run_logger().warning("said")
        return 42

    with disable_run_logger():
        assert speaking.fn() == 42
    with pytest.raises(OutsideRun):
        speaking.fn()


def test_tests_have_a_store_of_their_own_that_is_gone_afterwards(
    seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    @flow
    def f() -> int:
        return double(2)

    before = dict(os.environ)
    with own_store() as url:
        folder = os.environ["UPSHOT_DATA_DIR"]
        assert find_running(Path(folder)) == url
        assert f() == 4
    assert not Path(folder).exists()
    assert dict(os.environ) == before
    assert not seen.runs()
