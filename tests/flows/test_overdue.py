"""Code in C that never lets Python in, and outlasts its timeout: what becomes of its process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from upshot import flow
from upshot.flows.calls.overdue import OVERDUE
from upshot.flows.context import here

from .conftest import ROOT, Seen

PROGRAM = """
import sys, threading
from upshot import flow, task
from upshot.flows.calls import overdue

overdue.GRACE = 0.3


def crunch(number):
    return sum(range(number))  # one call into C


@task(timeout_seconds=0.2)
def step(number):
    return crunch(number)


@flow(timeout_seconds=0.2)
def whole(number):
    return crunch(number)


@flow
def part(number):
    return step(number)


@flow
def mapped(number):
    return step.map([number]).result()


def begun(how, number):
    try:
        globals()[how](number)
    except TimeoutError as error:
        print(error)


if __name__ == "__main__":
    how, where, number = sys.argv[1:]
    if where == "main":
        begun(how, int(number))
    else:
        thread = threading.Thread(target=begun, args=(how, int(number)))
        thread.start()
        thread.join()
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has timers that can do it")
@pytest.mark.parametrize("how", ["whole", "part", "mapped"])
def test_a_program_that_does_not_come_back_is_ended_and_says_where_it_was(
    seen: Seen, how: str
) -> None:
    done = run(how, "main", str(10**13))
    assert done.returncode == -OVERDUE, done.stderr
    assert " in crunch\n" in done.stderr
    assert f" in {'step' if how != 'whole' else 'whole'}\n" in done.stderr


def test_a_program_that_comes_back_late_goes_on(seen: Seen) -> None:
    done = run("whole", "main", str(10**6))
    assert done.returncode == 0, done.stderr
    assert seen.only_run().state.name == "Completed"


def test_what_a_thread_of_a_program_runs_does_not_end_the_others(seen: Seen) -> None:
    done = run("whole", "thread", str(5 * 10**7))  # longer than timeout and grace
    assert done.returncode == 0, done.stderr
    assert seen.only_run().state.name in {"Completed", "TimedOut"}


@flow
def owns() -> bool:
    place = here()
    assert place is not None
    return place.context.owns_process


@flow
def calls() -> bool:
    return owns()


def test_a_program_is_there_for_its_run_and_for_the_parts_of_that(seen: Seen) -> None:
    assert owns()
    assert calls()


def test_a_session_of_a_person_and_a_thread_are_not(
    seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(owns()))
    thread.start()
    thread.join()
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert [*found, calls()] == [False, False]
