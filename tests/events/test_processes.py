"""Children that never outlive their parent, guarded by the kernel and by a watcher."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from upshot.events import lifeline
from upshot.events.processes import GuardedProcess

GUARDS = [lifeline.BY_WATCHER, *([lifeline.BY_KERNEL] if lifeline.kernel_can_guard() else [])]

PARENT = """
import sys, threading, time
from upshot.events.processes import GuardedProcess
def start():
    global child
    child = GuardedProcess(["/bin/sh", "-c", sys.argv[2]], output=1, guard=sys.argv[1])
thread = threading.Thread(target=start)
thread.start()
thread.join()
time.sleep(600)
"""

PYTHON_PARENT = """
import os, subprocess, sys, time
child = f"from upshot.events.processes import die_with_parent as d; d({os.getpid()}); "
child += "import time; print('ready', flush=True); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child])
time.sleep(600)
"""


def guarded(script: str, guard: str, output: int = subprocess.DEVNULL) -> GuardedProcess:
    return GuardedProcess(["/bin/sh", "-c", script], output=output, guard=guard)


@pytest.mark.parametrize("guard", GUARDS)
def test_a_child_ends_with_its_killed_parent(guard: str) -> None:
    command = [sys.executable, "-c", PARENT, guard, "echo ready; exec sleep 600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        parent.kill()
        # Whoever still held the other end would keep this waiting.
        assert parent.stdout.read() == b""


def test_a_python_child_ends_with_its_killed_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PYTHON_PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        parent.kill()
        assert parent.stdout.read() == b""


def test_a_python_child_of_a_parent_that_ended_before_ends_at_once() -> None:
    child = "from upshot.events.processes import die_with_parent as d; d(1 << 30); print('alive')"
    done = subprocess.run([sys.executable, "-c", child], stdout=subprocess.PIPE, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"")


@pytest.mark.parametrize("guard", GUARDS)
def test_a_child_is_asked_for_its_exit_code(guard: str) -> None:
    child = guarded("exit 3", guard)
    assert child.wait() == 3
    assert not child.alive()
    child.send_signal(signal.SIGTERM)


@pytest.mark.parametrize("guard", GUARDS)
def test_a_child_gets_signals(guard: str) -> None:
    child = guarded("exec sleep 600", guard)
    assert child.wait(0.01) is None
    assert child.returncode is None
    child.send_signal(signal.SIGTERM)
    assert child.wait() == -signal.SIGTERM


@pytest.mark.parametrize("guard", GUARDS)
def test_a_program_that_is_missing_is_said_in_the_output(guard: str, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as output:
        child = GuardedProcess(["/no/such/program"], output=output.fileno(), guard=guard)
        assert child.wait() == 1
    assert "cannot run /no/such/program" in (tmp_path / "out").read_text()


def test_a_watcher_keeps_nothing_open_that_the_child_inherited() -> None:
    reading, writing = os.pipe()
    child = guarded("echo ready; exec sleep 600", lifeline.BY_WATCHER, output=writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as end:
        assert end.readline() == b"ready\n"
        child.send_signal(signal.SIGKILL)
        assert end.read() == b""
