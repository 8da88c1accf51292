"""What a flow process weighs: it loads what it needs, and stays below its limits."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from upshot import flow, task
from upshot.flows import Deployment, ThreadPoolTaskRunner
from upshot.flows.flowruns.started import EPOCH, RUN, STORE
from upshot.flows.runs.flowrun import FlowRun

from .conftest import ROOT, Processes, Seen

MEGABYTE = 1024 if sys.platform != "darwin" else 1024 * 1024


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.split())


def test_writing_flows_loads_neither_the_store_nor_pydantic() -> None:
    statement = "from upshot import emit_event, flow, get_run_logger, task, unmapped\n"
    loaded = loaded_after(statement.strip() + "; flow(lambda: None)")
    assert not {"redis", "pydantic", "pydantic_core", "structlog", "asyncio"} & loaded


def test_a_process_for_flows_loads_nothing_for_settings_or_services() -> None:
    loaded = loaded_after("import upshot.flows.flowruns.process")
    assert {"redis", "asyncio", "upshot.flows.taskruns.taskcall"} <= loaded
    assert not {"pydantic_settings", "stamina", "structlog", "fsspec"} & loaded


def test_names_load_when_they_are_used() -> None:
    assert Deployment.__name__ == "Deployment"
    assert ThreadPoolTaskRunner(2).max_workers == 2


def start_alone(run: FlowRun, seen: Seen) -> None:
    """Run it to its end in an interpreter of its own: a fork also weighs what its parent did."""
    variables = {RUN: run.id, EPOCH: str(run.epoch), STORE: seen.store.url}
    command = [sys.executable, "-m", "upshot.flows"]
    subprocess.run(command, env=os.environ | variables, check=True, cwd=ROOT)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_flow_process_with_a_thousand_tasks_stays_small(processes: Processes) -> None:
    path = processes.module(
        r"""
        import re
        from pathlib import Path
        from upshot import flow, task

        @task
        def work(x): return x

        @flow
        def f():
            work.map(range(1000)).result()
            status = Path("/proc/self/status").read_text()
            return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024
        """
    )
    run = processes.create(f"{path}:f")
    start_alone(processes.take(run.id), processes.seen)
    assert 10 < processes.seen.run(run.id).result <= 62


def test_memory_does_not_grow_with_what_was_written(seen: Seen) -> None:
    @task
    def work(x: int) -> str:
        return "x" * 20_000

    @flow
    def f() -> None:
        for number in range(1500):
            work(number)

    f()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    f()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 30 * MEGABYTE
