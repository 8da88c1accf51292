"""Options of flows and tasks: what they take, what they refuse, and hooks at every end."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any, assert_type

import pytest

from tests.waiting import eventually
from upshot import exponential_backoff, flow, tags, task
from upshot.flows.calls.futures import TaskFuture
from upshot.flows.definitions.delays import jittered
from upshot.flows.definitions.flowdef import Flow
from upshot.flows.definitions.options import FlowOptions, TaskOptions
from upshot.flows.definitions.taskdef import Task
from upshot.flows.exceptions import InvalidParameters
from upshot.flows.states import State

from .conftest import Processes, Seen


def nothing() -> None: ...


@pytest.mark.parametrize(("kind", "options"), [(Flow, FlowOptions), (Task, TaskOptions)])
def test_each_option_is_an_attribute_a_hook_or_nothing(kind: Any, options: Any) -> None:
    """The typed list of the options and the attributes that hold them can't drift apart."""
    attributes = {name for each in kind.__mro__ for name in vars(each).get("__annotations__", {})}
    for name in options.__optional_keys__:
        assert name in attributes or (name.startswith("on_") and callable(getattr(kind, name)))
    assert "retries" in options.__optional_keys__


@pytest.mark.parametrize("make", [flow, task])
def test_an_option_that_there_is_not_is_an_error_where_it_stands(make: Any) -> None:
    told = r"takes no retires \(did you mean retries\?\); it takes .*retries"
    with pytest.raises(TypeError, match=told):
        make(retires=3)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"retries": -1}, "retries: must be a whole number, 0 or more, not -1"),
        ({"retries": "2"}, "retries: must be a whole number, 0 or more, not '2'"),
        ({"retry_jitter_factor": -0.5}, "retry_jitter_factor: must be a number, 0 or more"),
        ({"retry_condition_fn": 3}, "retry_condition_fn: must be callable"),
        (
            {"timeout_seconds": 0},
            "timeout_seconds: must be a number of seconds, more than 0, not 0",
        ),
        ({"tags": ["x" * 300]}, "tags: at most"),
        ({"name": "a/b"}, "name: must be a text of 1 to 200 characters, no '/', not 'a/b'"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: Any, error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        task(nothing, **options)


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match="made of a function, not of 3"):
        task(3)  # type: ignore[call-overload]


def test_none_is_as_if_it_was_not_given() -> None:
    made = flow(nothing, retries=None, name=None, timeout_seconds=None, tags=None)
    assert (made.retries, made.name, made.timeout_seconds, made.tags) == (0, "nothing", None, ())
    assert made.with_options(retries=3).with_options(retries=None).retries == 3


def test_a_copy_has_the_hooks_of_its_original(seen: Seen) -> None:
    called: list[str] = []

    @task
    def work() -> None: ...

    @work.on_completion
    def note(_task: Any, _run: Any, state: State) -> None:
        called.append(state.name)

    copy = work.with_options(name="copy")
    silent = work.with_options(on_completion=[])
    flow(lambda: (copy(), silent()))()
    assert called == ["Completed"]


def test_both_orders_of_decorators_of_methods_work(seen: Seen) -> None:
    class Loader:
        factor = 2

        @task
        @staticmethod
        def plain(x: int) -> int:
            return x + 1

        @flow
        @classmethod
        def run(cls, x: int) -> int:
            return int(cls.plain(x)) * cls.factor

    class Other(Loader):
        factor = 3

    assert Loader.run(1) == 4
    assert Other().run(1) == 6


def test_delays_vary_by_the_jitter_factor() -> None:
    delays = [jittered(10, 0.5) for _ in range(300)]
    assert 5 <= min(delays) < 7
    assert 13 < max(delays) <= 15
    assert jittered(10, None) == 10
    assert jittered(10, 3) >= 0


def test_doubling_delays_do_not_grow_for_ever() -> None:
    assert exponential_backoff(1)(3) == [1, 2, 4]
    assert len(exponential_backoff(1)(10_000)) == 50


def test_a_condition_that_fails_means_no_retry(seen: Seen) -> None:
    def broken(_task: Any, _run: Any, _state: State) -> bool:
        raise RuntimeError("broken")

    @task(retries=3, retry_condition_fn=broken)
    def fail() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        flow(lambda: fail())()
    assert seen.tasks()["fail-0"]["attempt"] == 1
    assert seen.messages()[0].startswith("retry_condition_fn failed: RuntimeError: broken\n")


def test_a_condition_may_be_a_coroutine_function(seen: Seen) -> None:
    async def never(_task: Any, _run: Any, _state: State) -> bool:
        await asyncio.sleep(0)
        return False

    @task(retries=3, retry_condition_fn=never)  # type: ignore[arg-type]
    async def fail() -> None:
        raise ValueError

    @flow
    async def f() -> State:
        return await fail(return_state=True)

    assert asyncio.run(f(return_state=True)).is_failed()
    assert seen.tasks()["fail-0"]["attempt"] == 1


def test_makers_of_names_may_take_the_parameters(seen: Seen) -> None:
    def make(parameters: dict[str, Any]) -> str:
        return f"{parameters['x']}-{parameters['y']}"

    @task(task_run_name=make)
    def work(x: int, y: int = 2) -> None: ...

    flow(lambda: work(1))()
    assert list(seen.tasks()) == ["1-2"]


def test_a_name_that_is_no_text_fails_the_call(seen: Seen) -> None:
    @task(task_run_name=lambda: 3)  # type: ignore[arg-type]
    def work() -> None: ...

    with pytest.raises(InvalidParameters, match="made 3, which is no text"):
        flow(lambda: work())()


def test_tags_of_a_block_are_in_records_and_events(seen: Seen) -> None:
    @task(tags=["own"])
    def work() -> None: ...

    @flow
    def f() -> None:
        work()
        with tags("more"):
            work.submit().wait()

    with tags("all"):
        f()
    assert seen.only_run().tags == ("all",)
    assert [record["tags"] for record in seen.tasks().values()] == [
        ["all", "own"], ["all", "more", "own"],
    ]  # fmt: skip
    last = seen.events("task-run.")[-1]
    assert [labels["name"] for labels in last["related"] if labels["role"] == "tag"] == [
        "all", "more", "own",
    ]  # fmt: skip


def test_too_many_tags_of_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="tags: at most 32"), tags(*map(str, range(40))):
        pass


@task(retries=2, retry_delay_seconds=[1, 2])
def spell(x: int) -> str:
    return str(x)


@task
async def spell_async(x: int) -> str:
    return str(x)


@flow(timeout_seconds=3)
def count(y: int = 1) -> int:
    return y


async def what_type_checkers_know() -> None:
    """Is never run: the type checker is the test."""
    assert_type(spell(1), str)
    assert_type(spell(1, return_state=True), State)
    assert_type(spell.submit(1), TaskFuture[str])
    assert_type(spell.submit(1, return_state=True), State)
    assert_type(spell.map([1, 2]).result(), list[str])
    assert_type(await spell_async(1), str)
    assert_type(spell_async.submit(1), TaskFuture[str])
    assert_type(await spell_async(1, return_state=True), State)
    assert_type(spell.delay(1).result(), str)
    assert_type(count.with_options(retries=3)(2), int)
    spell("one")  # type: ignore[call-overload]
    task(retires=2)  # type: ignore[call-overload]


ENDS = """
import time
from pathlib import Path
from upshot import flow, task

folder = Path(__file__).parent

def note(what, run, state):
    (folder / f"{what.name}.{state.name}").touch()

hooks = dict(on_cancellation=[note], on_crashed=[note], on_failure=[note])

@task(**hooks)
def work():
    (folder / "running").touch()
    time.sleep(600)

@flow(**hooks)
def f(): work()
"""


@pytest.mark.parametrize("how", ["Cancelled", "Crashed"])
def test_hooks_of_interrupted_runs_are_called(
    processes: Processes, tmp_path: Path, how: str
) -> None:
    run = processes.create(f"{processes.module(ENDS)}:f")
    child = processes.start(processes.take(run.id), lease_ms=2_000)
    eventually((tmp_path / "running").exists)
    if how == "Cancelled":
        processes.change(run.id, State("Cancelling"))
    else:
        child.send_signal(signal.SIGTERM)
    child.end()
    assert processes.seen.run(run.id).state.name == how
    assert (tmp_path / f"f.{how}").exists()
    assert (tmp_path / "work.Cancelled").exists()
