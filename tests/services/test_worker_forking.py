"""Processes that fork: what a child leaves behind is looked for, unless it left nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.conftest import ROOT

PREAMBLE = """
import os, select, subprocess, time
from upshot.services.worker import forking

looked = []
kill = forking.kill_strays
def counted(known, since=None):
    looked.append(len(known))
    kill(known, since)
forking.kill_strays = counted

children = forking.Children()
def stays():
    time.sleep(60)
    return 0
children.fork(1, stays)  # whoever has no other child looks for nothing

def end_of(body):
    children.fork(2, body)
    while True:
        select.select([children], [], [])
        for change in children.reap():
            if change.number == 2:
                return change.code

def wait_for_end(path):
    pid = int(open(path).read())
    try:
        while open(f"/proc/{pid}/stat").read().split()[2] != "Z":
            time.sleep(0.01)
    except (FileNotFoundError, ProcessLookupError):
        pass
"""

TIDY = """
assert end_of(lambda: 3) == 3
assert end_of(lambda: os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0) and 0) == 0
assert looked == []
"""

LEAVES = """
def leaves():
    left = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    open(PATH, "w").write(str(left.pid))
    left.returncode = 0
    return 0
PATH = "left"
assert end_of(leaves) == 0
assert looked
wait_for_end(PATH)
"""

KILLED = """
assert end_of(lambda: os.kill(os.getpid(), 9)) == -9
assert looked
"""

FORK_RUNS_OUT = """
def forks():
    if (pid := os.fork()) == 0:
        return 0  # it ends where its parent would have
    os.waitpid(pid, 0)
    os.kill(os.getpid(), 9)
assert end_of(forks) == -9
assert looked and not children._tidy
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is adopted")
@pytest.mark.parametrize("body", [TIDY, LEAVES, KILLED, FORK_RUNS_OUT])
def test_what_a_child_leaves_is_looked_for_unless_it_says_that_there_is_nothing(
    body: str, tmp_path: Path
) -> None:
    ends = "\nchildren.end_all()"
    code = PREAMBLE + body + ends
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
