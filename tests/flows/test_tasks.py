"""Tasks in a flow: called, submitted, mapped, retried, skipped; every state in the log."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from upshot import allow_failure, flow, task, unmapped
from upshot.events.event import Event
from upshot.flows import ThreadPoolTaskRunner
from upshot.flows.exceptions import MappingError, UpstreamFailed
from upshot.flows.states import State, failed

from .conftest import Seen
from .simple import double, total, triple


@task
def fail(x: Any = None) -> Any:
    raise ValueError(f"no {x}")


def test_a_task_outside_of_a_flow_is_the_plain_function() -> None:
    assert double(4) == 8
    assert asyncio.run(triple(2)) == 6


def test_a_called_task_returns_its_value_and_leaves_every_state_in_the_log(seen: Seen) -> None:
    @flow
    def f() -> int:
        return double(21)

    assert f() == 42
    assert seen.states("double-0") == ["Pending", "Running", "Completed"]
    record = seen.tasks()["double-0"]
    assert (record["result"], record["attempt"]) == (42, 1)
    assert record["created"] <= record["started"] <= record["ended"]


def test_every_event_of_a_task_run_keeps_the_format_of_events(seen: Seen) -> None:
    @task(tags=["a b", 'quo"ted'], task_run_name='n "{x}" ü')
    def named(x: str) -> None:
        raise ValueError('with "quotes", \u2028 and \ud800')

    @flow(tags=["t"])
    def f() -> State:
        return named("1", return_state=True)

    with pytest.raises(ValueError, match="quotes"):
        f()
    events = seen.events("task-run.")
    assert len(events) == 3
    for event in events:
        Event.model_validate(event)
        roles = [labels["role"] for labels in event["related"]]
        assert roles[:3] == ["flow-run", "task", "flow"]
        assert {"a b", 'quo"ted', "t"} == {
            labels["name"] for labels in event["related"] if labels["role"] == "tag"
        }
    assert events[-1]["resource"]["name"] == 'n "1" ü'
    assert events[-1]["payload"]["previous"] == "Running"
    assert events[-1]["payload"]["message"].startswith('ValueError: with "quotes"')


def test_submitted_tasks_run_beside_each_other(seen: Seen) -> None:
    meeting = threading.Barrier(2, timeout=10)

    @task
    def meet(name: str) -> str:
        meeting.wait()
        return name

    @flow
    def f() -> list[str]:
        return [future.result() for future in [meet.submit("a"), meet.submit("b")]]

    assert f() == ["a", "b"]


def test_map_fans_out_in_order_and_a_list_of_futures_fans_in(seen: Seen) -> None:
    @task
    def add(x: int, y: int, factors: list[int], label: str = "-") -> str:
        return f"{label}{x + y}{factors}"

    @flow
    def f() -> Any:
        mapped: Any = double.map(range(50))
        sums = add.map(mapped, 1, factors=unmapped([1, 2]), label="ab")
        return total(mapped), sums.result()[:2], total.submit(mapped).result()

    assert f() == (2450, ["ab1[1, 2]", "ab3[1, 2]"], 2450)
    assert seen.names("task-run.completed") == ["task-run.completed"] * 102


def test_map_refuses_what_it_can_not_iterate_over(seen: Seen) -> None:
    @task
    def pair(a: int, b: int) -> None: ...

    @flow
    def uneven() -> None:
        pair.map([1, 2], [1])

    with pytest.raises(MappingError, match="different lengths \\(a: 2, b: 1\\)"):
        uneven()
    with pytest.raises(MappingError, match="no iterable"):
        flow(lambda: double.map(3))()


def test_async_tasks_are_awaited_submitted_and_mapped(seen: Seen) -> None:
    @flow
    async def f() -> Any:
        first = await triple(1)
        many = triple.map(range(200))
        gathered = await asyncio.gather(triple(2), triple(3))
        return first, gathered, sum([await future for future in many]), double(5)

    assert asyncio.run(f()) == (3, [6, 9], 3 * 19900, 10)
    assert len(seen.names("task-run.completed")) == 204


def test_a_sync_flow_submits_async_tasks(seen: Seen) -> None:
    @flow
    def f() -> list[int]:
        return triple.map([1, 2]).result()

    assert f() == [3, 6]


def test_what_follows_a_failed_task_is_not_run_and_says_so(seen: Seen) -> None:
    ran: list[int] = []

    @task
    def after(x: int) -> None:
        ran.append(x)

    @flow
    def f() -> Any:
        bad = fail.submit(1)
        states = [after.submit(bad).wait(), after.submit(1, wait_for=[bad]).wait()]
        with pytest.raises(UpstreamFailed, match="fail-0, which it needs, is Failed"):
            after.submit([bad]).result()
        return [state.name for state in states if state]

    assert f() == ["Cancelled", "Cancelled"]
    assert ran == []
    assert seen.states("after-0") == ["Pending", "Cancelled"]


def test_a_failed_task_raises_its_own_exception(seen: Seen) -> None:
    @flow
    def f() -> str:
        with pytest.raises(ValueError, match="no 7"):
            fail(7)
        state: Any = fail(8, return_state=True)
        assert isinstance(state, State)
        return f"{state.name} {state.message}"

    assert f() == "Failed ValueError: no 8"


def test_retries_wait_and_then_run_the_task_again(seen: Seen) -> None:
    tries: list[int] = []

    @task(retries=3, retry_delay_seconds=[0.01, 0.02])
    def shaky() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("not yet")
        return len(tries)

    @flow
    def f() -> int:
        return shaky()

    assert f() == 3
    assert seen.states("shaky-0") == [
        "Pending", "Running", "AwaitingRetry", "Retrying", "AwaitingRetry", "Retrying", "Completed",
    ]  # fmt: skip
    assert seen.tasks()["shaky-0"]["attempt"] == 3


def test_retries_of_a_coroutine_end_with_its_exception(seen: Seen) -> None:
    @task(retries=2, retry_delay_seconds=lambda retries: [0.001] * retries)
    async def bad() -> None:
        raise OSError("never")

    @flow
    async def f() -> None:
        await bad()

    with pytest.raises(OSError, match="never"):
        asyncio.run(f())
    assert seen.states("bad-0")[-1] == "Failed"
    assert seen.tasks()["bad-0"]["attempt"] == 3


def test_tasks_in_tasks_do_not_block_a_small_pool(seen: Seen) -> None:
    @task
    def outer(x: int) -> int:
        return sum(double.map([double.submit(x), x]).result())

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def f() -> list[int]:
        return outer.map([1, 2, 3]).result()

    assert f() == [6, 12, 18]


def test_at_most_max_workers_run_at_a_time(seen: Seen) -> None:
    lock = threading.Lock()
    running, most = 0, 0

    @task
    def count(_: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        with lock:
            running -= 1

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=3))
    def f() -> None:
        count.map(range(12))

    f()
    assert most == 3


def test_a_task_may_return_the_state_to_end_in(seen: Seen) -> None:
    @task
    def judged() -> State:
        return failed("not good enough")

    @flow
    def f() -> str:
        state: Any = judged(return_state=True)
        return f"{state.name}: {state.message}"

    assert f() == "Failed: not good enough"


def test_methods_can_be_tasks_and_flows(seen: Seen) -> None:
    class Scale:
        def __init__(self, by: int) -> None:
            self.by = by

        @task
        def times(self, x: int) -> int:
            return x * self.by

        @flow
        def run(self, xs: list[int]) -> list[int]:
            return self.times.map(xs).result()

    assert Scale(3).run([1, 2]) == [3, 6]
    assert seen.only_run().parameters["xs"] == [1, 2]


def test_a_wrong_option_is_an_error_where_it_stands() -> None:
    with pytest.raises(TypeError, match="cache_everything"):
        task(cache_everything=True)(double.fn)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="retries"):
        task(retries=-1)(double.fn)


def test_a_call_that_does_not_fit_is_a_type_error(seen: Seen) -> None:
    @flow
    def f() -> None:
        with pytest.raises(TypeError, match="missing a required argument"):
            double()  # type: ignore[call-overload]
        with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
            double.submit(1, z=2)

    f()
    assert seen.names("task-run") == []


def test_a_flow_waits_for_what_it_is_told_to(seen: Seen) -> None:
    @flow
    def inner() -> str:
        return "ran"

    @flow
    async def inner_async() -> str:
        return "ran"

    @flow
    def f() -> Any:
        bad = fail.submit()
        allowed = inner(wait_for=[allow_failure(bad), double.submit(1)])
        with pytest.raises(ValueError, match="no None"):
            inner(wait_for=[bad])
        return allowed

    @flow
    async def g() -> Any:
        return await inner_async(wait_for=[allow_failure(fail.submit())])

    assert (f(), asyncio.run(g())) == ("ran", "ran")
