"""Forks that a flow's code makes: the run stays with the process that has it."""

from __future__ import annotations

from pathlib import Path

from .conftest import Processes

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
