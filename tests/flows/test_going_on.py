"""Going on: a retry runs what did not finish, what is other code by now, and what is asked for."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from upshot.events.store import Store
from upshot.flows.again import Again
from upshot.flows.exceptions import NoSuchTask, NotRetryable
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.runs.registry import Runs

from .conftest import Processes

HEAD = """
from pathlib import Path
from upshot import flow, task, unmapped
here = Path(__file__).parent

def note(*words):
    with open(here / "bodies", "a") as file:
        file.write("-".join(map(str, words)) + "\\n")

@task
def gate(*needs):
    if not (here / "go").exists():
        raise ValueError("not yet")
"""

SHAPES = (
    HEAD
    + """
@task
def item(n):
    note("item", n)
    return n

@task
def row(n):
    note("row", n)
    return [each.result() for each in [item.submit(10 * n + k) for k in range(3)]]

@task
def values(n):
    for number in range(n):
        note("value", number)
        yield number

@task
def same():
    note("same")
    return 1

@flow
def part(n):
    note("part", n)
    return item.map([100 * n + k for k in range(2)]).result()

@flow
def large_part():
    note("large part")
    return "x" * 300_000

@flow
def f():
    rows = row.map(range(3)).result()                    # a map of maps
    parts = [part(n) for n in (1, 2)]                    # subflows
    large_part()
    found = list(values(3))                              # a generator
    deeper = [item.submit(n + 1000) for n in found if n] # as many as were discovered
    again = [same() for _ in range(3)]                   # the same call, several times
    total = sum(map(sum, rows + parts)) + sum(again) + sum(each.result() for each in deeper)
    gate()
    note("end")
    return total
"""
)


def bodies(folder: Path) -> Counter[str]:
    return Counter((folder / "bodies").read_text().split("\n")[:-1])


def test_a_retry_runs_none_of_the_shapes_that_were_done(
    processes: Processes, tmp_path: Path
) -> None:
    run, _ = processes.execute(processes.module(SHAPES) + ":f")
    assert run.state.name == "Failed"
    before = bodies(tmp_path)
    again = processes.retry(run.id)
    assert again.state.name == "Failed"
    assert bodies(tmp_path) == before
    (tmp_path / "go").touch()
    last = processes.retry(run.id)
    assert (last.state.name, last.attempt) == ("Completed", 3)
    assert bodies(tmp_path) - before == Counter({"end": 1})
    assert last.result == sum([0, 1, 2, 10, 11, 12, 20, 21, 22]) + 602 + 3 + 1001 + 1002


CHAIN = (
    HEAD
    + """
@task
def first():
    note("first")
    return 1

@task
def second(n):
    note("second")
    return n + 1  # CHANGE

@task
def third(n):
    note("third")
    return n + 1

@flow
def part():
    note("part")
    return 1

@flow
def f():
    n = third(second(first()))
    m = part()
    gate()
    return n + m
"""
)


def from_task(processes: Processes, run: FlowRun, name: str | None) -> FlowRun:
    """Retry a run as the API does, and run it to its end."""

    async def retry() -> None:
        store = Store(processes.seen.store.url)
        await Runs(store).retry(run.id, "by hand", task=name)
        await store.close()

    asyncio.run(retry())
    processes.go(run.id)
    return processes.seen.run(run.id)


def test_a_retry_from_a_task_does_again_what_came_after_it(
    processes: Processes, tmp_path: Path
) -> None:
    run, _ = processes.execute(processes.module(CHAIN) + ":f")
    once = {"first": 1, "second": 1, "third": 1, "part": 1}
    assert bodies(tmp_path) == once
    from_task(processes, run, "second")
    assert bodies(tmp_path) == {"first": 1, "second": 2, "third": 2, "part": 2}
    from_task(processes, run, None)  # what was done again is not done a third time
    assert bodies(tmp_path) == {"first": 1, "second": 2, "third": 2, "part": 2}
    from_task(processes, run, "part")  # flows that it calls have names, too
    assert bodies(tmp_path) == {"first": 1, "second": 2, "third": 2, "part": 3}
    (tmp_path / "go").touch()
    last = from_task(processes, run, "first")
    assert (last.state.name, last.result, last.attempt) == ("Completed", 4, 5)
    assert bodies(tmp_path) == {"first": 2, "second": 3, "third": 3, "part": 4}
    assert any(
        event["payload"]["message"] == "by hand from second"
        for event in processes.seen.events("flow-run.scheduled")
    )
    with pytest.raises(NotRetryable):
        from_task(processes, run, "first")


def test_a_task_that_was_never_called_is_refused_by_name(processes: Processes) -> None:
    run, _ = processes.execute(processes.module(CHAIN) + ":f")
    told = "has called no task 'thrid'; it called first, gate, second, third"
    with pytest.raises(NoSuchTask, match=f"^from: run .* {told}"):
        from_task(processes, run, "thrid")


def test_marks_are_passed_in_the_order_of_the_calls() -> None:
    again = Again((("b", "1"), ("a", "2"), ("b", "3")))
    assert again.passed("x") == ()
    assert again.passed("a") == ("2",)
    assert again.passed("x") == ("2",)
    assert again.passed("b") == ("1", "2", "3")
    assert Again(()).passed("a") == ()


def test_a_task_whose_code_changed_is_run_again_and_that_is_said(
    processes: Processes, tmp_path: Path
) -> None:
    path = processes.module(CHAIN)
    run, _ = processes.execute(f"{path}:f")
    processes.module(CHAIN.replace("n + 1  # CHANGE", "n + 10  # CHANGE"))
    processes.retry(run.id)
    # The third got another value, so that is another call.
    assert bodies(tmp_path) == {"first": 1, "second": 2, "third": 2, "part": 1}
    processes.retry(run.id)
    assert bodies(tmp_path) == {"first": 1, "second": 2, "third": 2, "part": 1}
    (tmp_path / "go").touch()
    assert processes.retry(run.id).result == 13
    message = "its code changed since; run again"
    told = [event for event in processes.seen.events("task-run.pending")
            if event["payload"]["message"] == message]  # fmt: skip
    assert [event["resource"]["name"].partition("-")[0] for event in told] == ["second"]
    assert any(message in line for line in processes.seen.messages(run.id))


def test_a_change_that_does_nothing_runs_nothing_again(
    processes: Processes, tmp_path: Path
) -> None:
    path = processes.module(CHAIN)
    run, _ = processes.execute(f"{path}:f")
    processes.module(CHAIN.replace("n + 1  # CHANGE", "n + 1\n    # said in other words\n"))
    processes.retry(run.id)
    assert bodies(tmp_path) == {"first": 1, "second": 1, "third": 1, "part": 1}


MANY = (
    HEAD
    + """
import time

@task
def item(n):
    return n

@flow
def f():
    begun = time.perf_counter()
    total = sum(item.map(range(1000)).result())
    note(time.perf_counter() - begun)
    gate()
    return total
"""
)


def test_a_large_map_is_restored_without_a_single_body(
    processes: Processes, tmp_path: Path
) -> None:
    run, _ = processes.execute(processes.module(MANY) + ":f")
    events = len(processes.seen.events("task-run."))
    processes.retry(run.id)
    assert len(processes.seen.events("task-run.")) == events + 3  # the gate's alone
