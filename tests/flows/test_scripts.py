"""Flows that a program starts by hand: without a service, interrupted, cancelled."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.waiting import eventually
from upshot import flow
from upshot.flows.runs.transitions import transition_arguments
from upshot.flows.states import State

from .conftest import ROOT, Seen

SCRIPT = """
import signal
import time
from upshot import flow, task

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it

@task
def work(x):
    return x + 1

@flow
def main_flow():
    print("begun", flush=True)
    {body}
    return work.map(range(3)).result()

if __name__ == "__main__":
    print(main_flow(), flush=True)
"""


def start(seen: Seen, body: str, **environment: str) -> subprocess.Popen[str]:
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(body=body)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables,
    )  # fmt: skip


def test_a_script_runs_where_no_service_does(seen: Seen) -> None:
    process = start(seen, "pass", UPSHOT_REDIS_URL="")
    out, errors = process.communicate(timeout=60)
    assert out == "begun\n[1, 2, 3]\n", errors
    assert process.returncode == 0
    assert "of main-flow is Running" in errors
    assert seen.runs() == []


def test_what_a_script_made_before_its_flow_is_spared_the_garbage_collector(seen: Seen) -> None:
    process = start(seen, "import gc; print(gc.get_freeze_count() > 10_000)")
    out, errors = process.communicate(timeout=60)
    assert out == "begun\nTrue\n[1, 2, 3]\n", errors


def test_a_flow_within_a_larger_program_leaves_its_garbage_collector_alone(seen: Seen) -> None:
    @flow
    def nothing() -> int:
        return gc.get_freeze_count()

    before = gc.get_freeze_count()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(nothing).result() == before


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)]
)
def test_a_script_that_is_interrupted_leaves_a_crashed_run(
    seen: Seen, number: signal.Signals, code: int
) -> None:
    process = start(seen, "time.sleep(60)")
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode in {code, 130}
    assert seen.only_run().state.name == "Crashed"


def test_a_run_by_hand_can_be_cancelled_while_it_sleeps(seen: Seen) -> None:
    process = start(seen, "time.sleep(60)", UPSHOT_LEASE="0.3")
    assert process.stdout is not None
    process.stdout.readline()
    eventually(lambda: seen.only_run().state.name == "Running")
    arguments = transition_arguments(seen.only_run(), State("Cancelling"), own=False, lease_ms=9000)
    seen.store.call("transition", *arguments)
    process.communicate(timeout=60)
    assert seen.only_run().state.name == "Cancelled"
