"""Serving a flow: the worker is real, hears the signals, and ends with the program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.waiting import eventually
from upshot.flows.runs.flowrun import new_run
from upshot.flows.runs.transitions import create_arguments
from upshot.flows.states import State

from .conftest import ROOT, Seen

SCRIPT = """
from upshot import flow

@flow
def served(n: int = 1) -> int:
    return n + 1

if __name__ == "__main__":
    raise SystemExit(served.serve("here"))
"""


def test_a_served_flow_runs_until_the_program_is_stopped(seen: Seen, tmp_path: Path) -> None:
    path = tmp_path / "served_flows.py"
    path.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, str(path)], env=environment, stderr=subprocess.DEVNULL
    ) as program:
        eventually(lambda: seen.names("worker.online"))
        assert seen.names("deployment.created")
        run = new_run(
            "served", state=State("Scheduled"), entrypoint=f"{path}:served",
            pool="served-served-here", parameters={"n": 4},
        )  # fmt: skip
        seen.store.call("create_run", *create_arguments(run))
        eventually(lambda: seen.run(run.id).state.completed)
        assert seen.run(run.id).result == 5
        program.send_signal(signal.SIGINT)
        program.wait(60)
    assert program.returncode == 0
    assert seen.names("worker.offline")
