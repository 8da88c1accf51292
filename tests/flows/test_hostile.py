"""What users' code may do to the machinery: odd values, odd errors, forks, threads that stay."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from upshot import flow, task
from upshot.flows.calls.arguments import futures_in
from upshot.flows.calls.futures import TaskFuture
from upshot.flows.calls.timeouts import call_within
from upshot.flows.context import here
from upshot.flows.exceptions import Interrupted
from upshot.flows.flowruns.execution import Execution
from upshot.flows.journal.backlog import Backlog
from upshot.flows.journal.held import Entry, HeldRun
from upshot.flows.results.formats import keep
from upshot.flows.results.inputs import inputs_key
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.states import State
from upshot.flows.taskruns.identity import task_run_of

from .conftest import Processes, Seen, eventually

if TYPE_CHECKING:
    from nowhere import OnlyForTypeCheckers  # type: ignore[import-not-found]


@task
def same(value: Any) -> Any:
    return value


def circles(children: int = 12) -> dict[str, Any]:
    """Return a tree whose nodes know their parents."""
    root: dict[str, Any] = {"children": []}
    for _ in range(children):
        root["children"].append({"parent": root, "others": root["children"]})
    return root


def shared(depth: int = 40) -> list[Any]:
    """Return a list that is short in memory and endless when it is written out."""
    value: list[Any] = [object]
    for _ in range(depth):
        value = [value, value]
    return value


class Untold(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words for it")


def test_futures_are_found_in_values_that_hold_themselves() -> None:
    future: TaskFuture[int] = TaskFuture("1", "t-0")
    tree = circles()
    tree["children"][3]["result"] = future
    assert futures_in(tree) == [future]
    assert futures_in(shared()) == []


def test_values_with_many_ways_to_the_same_part_have_equal_keys() -> None:
    assert inputs_key({"x": shared()}) == inputs_key({"x": shared()})
    assert inputs_key({"x": shared()}) != inputs_key({"x": shared(41)})


def test_a_task_takes_a_tree_whose_nodes_know_their_parents(seen: Seen) -> None:
    @flow
    def f() -> int:
        return len(same(circles())["children"])

    assert f() == 12


def test_an_annotation_that_can_not_be_read_costs_no_result(seen: Seen) -> None:
    @task
    def broken() -> logging.Missing:  # type: ignore[name-defined]
        return {1}

    @flow
    def f() -> OnlyForTypeCheckers:
        return len(broken())

    assert f() == 1


def test_an_equality_that_fails_costs_no_result() -> None:
    @dataclass(eq=False)
    class Odd:
        value: int = 1

        def __eq__(self, other: object) -> bool:
            raise KeyError("equality")

        __hash__ = None  # type: ignore[assignment]

    def function() -> Any: ...

    function.__annotations__["return"] = Odd
    assert keep(Odd(), function) is None


def test_an_object_that_can_not_be_hashed_is_a_task(seen: Seen) -> None:
    class Work:
        name, __hash__ = "a name of its own", None  # type: ignore[assignment]

        def __init__(self) -> None:
            self.retries = 7

        def __call__(self) -> set[int]:
            return {1}

    made = task(Work())

    @flow
    def f() -> int:
        return len(made())

    assert f() == 1
    assert (made.name, made.retries) == ("Work", 0)


def test_an_error_without_words_fails_the_run(seen: Seen) -> None:
    @flow
    def f() -> None:
        raise Untold

    state: State = f(return_state=True)
    assert (state.name, state.message) == ("Failed", "Untold: (it can't be shown: RuntimeError)")


def test_a_delay_that_can_not_be_made_fails_the_run(seen: Seen) -> None:
    @flow(retries=1, retry_delay_seconds=lambda retries: [1 / 0])
    def f() -> None:
        raise ValueError("mine")

    state: State = f(return_state=True)
    assert (state.name, state.message) == ("Failed", "ZeroDivisionError: division by zero")
    assert isinstance(state.data.__context__, ValueError)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0, "soon"])
def test_delays_and_timeouts_that_are_no_durations_are_refused(seconds: Any) -> None:
    with pytest.raises(ValueError, match="retry_delay_seconds"):
        task(retries=1, retry_delay_seconds=seconds)(lambda: None)
    with pytest.raises(ValueError, match="timeout_seconds"):
        flow(timeout_seconds=seconds)(lambda: None)


@pytest.mark.parametrize("name", ["Running", "AwaitingRetry"])
def test_a_state_that_is_no_end_fails_the_run_that_returns_it(seen: Seen, name: str) -> None:
    @flow
    def f() -> State:
        return State(name)

    ended: State = f(return_state=True)
    assert ended.name == "Failed"
    assert seen.only_run().state.name == "Failed"


def test_a_task_that_completed_is_not_ended_again(seen: Seen) -> None:
    """An interruption may come when the task has just ended, and must not undo that."""

    @flow
    def f() -> None:
        place = here()
        assert place is not None
        run, _ = task_run_of(same, place, {"value": 1})
        for name in ("Pending", "Running", "Completed", "Cancelled", "Failed"):
            run.enter(State(name))

    f()
    assert seen.states("same-0") == ["Pending", "Running", "Completed"]


def test_what_is_unwritten_is_counted_right_whoever_adds() -> None:
    """A count that drifts would let a flow wait for ever, or take all memory."""
    backlog, entry = (
        Backlog(),
        Entry(HeldRun(new_run("f", state=State("Running"))), "", "log", b"", bytes(1000)),
    )
    before = sys.getswitchinterval()

    def add() -> None:
        for _ in range(2000):
            backlog.add(entry)

    threads = [threading.Thread(target=add) for _ in range(4)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads) or backlog:
            backlog.settle(backlog.take())
    finally:
        sys.setswitchinterval(before)
    assert backlog.size == 0


def test_a_late_word_of_a_part_that_was_started_again_does_no_harm(seen: Seen) -> None:
    late, said = threading.Event(), threading.Event()

    @task
    def linger() -> None:
        while not late.is_set():
            try:
                late.wait()
            except Interrupted:
                continue
        logging.getLogger("linger").warning("late")
        said.set()

    starts: list[int] = []

    @flow(timeout_seconds=0.2)
    def part() -> None:
        starts.append(1)
        if len(starts) == 1:
            linger.submit().wait()

    @flow(retries=1)
    def whole() -> str:
        part()
        late.set()
        said.wait(10)
        return "went on"

    assert whole() == "went on"


FORKING = """
import logging, os
from upshot import flow, get_run_logger, task

@task
def inner(n): return n + 1

@flow
def forks(path: str) -> str:
    logging.getLogger().setLevel("INFO")
    pid = os.fork()
    if pid == 0:
        for n in range(6000):
            logging.getLogger("child").info("line %d", n)
        with open(path, "w") as file:
            file.write(str(inner(41)))
        os._exit(0)
    os.waitpid(pid, 0)
    return open(path).read()

@flow
def returns_twice() -> int:
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
    return pid
"""


def test_a_forked_child_of_a_flow_may_log_and_call_tasks(
    processes: Processes, tmp_path: Path
) -> None:
    entrypoint = f"{processes.module(FORKING)}:forks"
    run, code = processes.execute(entrypoint, parameters={"path": str(tmp_path / "told")})
    assert (code, run.state.name, run.result) == (0, "Completed", "42")
    assert processes.seen.logs(run.id) == []


def test_a_forked_child_can_not_end_its_parents_run(processes: Processes) -> None:
    run, code = processes.execute(f"{processes.module(FORKING)}:returns_twice")
    assert (code, run.state.name) == (0, "Completed")
    assert run.result > 0


PARTS = """
import time
from upshot import flow

@flow
def part(): time.sleep(60)

@flow(retries=2)
def middle(): part()

@flow(retries=2)
def whole(): middle()
"""


def test_the_parts_of_a_cancelled_run_are_cancelled(processes: Processes) -> None:
    run = processes.create(f"{processes.module(PARTS)}:whole")
    child = processes.start(processes.take(run.id), lease_ms=600)
    seen = processes.seen

    def states() -> list[str]:
        return sorted(one.state.name for one in seen.runs())

    eventually(lambda: states() == 3 * ["Running"])
    processes.change(run.id, State("Cancelling"))
    child.end()
    assert states() == 3 * ["Cancelled"]


def test_a_terminated_process_stops_parts_of_parts_for_good(processes: Processes) -> None:
    run = processes.create(f"{processes.module(PARTS)}:whole")
    child = processes.start(processes.take(run.id))
    eventually(lambda: len(runs := processes.seen.runs()) == 3 and all_running(runs))
    child.send_signal(signal.SIGTERM)
    child.end()
    assert [one.state.name for one in processes.seen.runs()] == 3 * ["Crashed"]


def all_running(runs: list[FlowRun]) -> bool:
    return all(run.state.name == "Running" for run in runs)


def test_an_alarm_that_rings_at_the_very_end_is_still_a_timeout() -> None:
    """It may ring while the timeout is being taken back."""

    def ring(_: float) -> None:
        os.kill(os.getpid(), signal.SIGALRM)

    before = signal.getsignal(signal.SIGALRM)
    with pytest.MonkeyPatch.context() as patch:
        real = signal.setitimer

        def setitimer(which: int, seconds: float) -> Any:
            if seconds == 0:
                ring(seconds)
            return real(which, seconds)

        patch.setattr(signal, "setitimer", setitimer)
        with pytest.raises(TimeoutError):
            call_within(5.0, lambda: None, (), {})
    assert signal.getsignal(signal.SIGALRM) == before
    real(signal.ITIMER_REAL, 0)


class Shy:
    """Can be neither shown nor pickled nor compared."""

    def __repr__(self) -> str:
        raise RuntimeError("no words for it")

    def __reduce__(self) -> Any:
        raise RuntimeError("not this way")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("incomparable")

    __hash__ = None  # type: ignore[assignment]


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


ODD: dict[str, Any] = {
    "shy": Shy(),
    "nested": nested(100_000),
    "circular": circles(),
    "not a number": float("nan"),
    "no text": "\ud800",
    "bytes": b"\xff",
    "lock": threading.Lock(),
    "enormous number": 10**5000,
    "odd keys": {(1, 2): 3},
    "function": lambda: None,
    "large": "x" * 5_000_000,
}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_odd_values_go_through_flows_and_tasks(seen: Seen, value: Any) -> None:
    @flow(validate_parameters=False)
    def f(given: Any) -> bool:
        return same(given) is value and same.submit(given).result() is value

    assert f(value)
    assert [run.state.name for run in seen.runs()] == ["Completed"]


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_odd_values_can_be_results_of_flows(seen: Seen, value: Any) -> None:
    @flow
    def f() -> Any:
        return value

    assert f() is value
    assert seen.only_run().state.name == "Completed"


def test_records_show_what_is_no_number_as_that(seen: Seen) -> None:
    @flow
    def f(x: float, shy: Any) -> None: ...

    f(float("-inf"), Shy())
    assert seen.only_run().parameters == {
        "x": "-Infinity",
        "shy": "<Shy that can't be shown: RuntimeError>",
    }


def test_endless_recursion_fails_each_run_of_it(seen: Seen) -> None:
    @flow
    def f(n: int) -> int:
        return f(n + 1)

    with pytest.raises(RecursionError):
        f(0)
    runs = seen.runs()
    assert len(runs) > 5
    assert {run.state.name for run in runs} == {"Failed"}
    lines = max(message.count("\n") for run in runs for message in seen.messages(run.id))
    assert lines < 100


def test_an_endless_recursion_of_tasks_fails_each_of_them(seen: Seen) -> None:
    @task
    def deeper(n: int) -> int:
        return deeper(n + 1)

    with pytest.raises(RecursionError):
        flow(lambda: deeper(0))()
    assert {record["state"]["name"] for record in seen.tasks().values()} == {"Failed"}


def test_an_endless_recursion_of_coroutines_fails_each_of_them(seen: Seen) -> None:
    @flow
    async def f(n: int) -> int:
        return await f(n + 1)

    with pytest.raises(RecursionError, match="f is not called: too many calls"):
        asyncio.run(f(0))
    assert {run.state.name for run in seen.runs()} == {"Failed"}


def test_a_part_that_is_stopped_before_its_code_runs_ends_with_what_it_is_a_part_of(
    seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stops a process comes between any two lines, also of those that begin a run."""
    perform = Execution.perform

    def stopped(execution: Execution, *call: Any) -> State:
        if execution.context.parent is not None:
            raise Interrupted("terminated")
        return perform(execution, *call)

    monkeypatch.setattr(Execution, "perform", stopped)
    part = flow(lambda: 1, name="part")
    with pytest.raises(SystemExit):
        flow(lambda: part(), name="whole")()
    assert [(run.flow, run.state.name) for run in seen.runs()] == [
        ("whole", "Crashed"),
        ("part", "Crashed"),
    ]
