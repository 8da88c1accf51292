"""A whole service as its user runs it: `upshot up` in a process of its own, on a free port."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from tests.waiting import PATIENCE, eventually
from upshot.events.processes import is_alive
from upshot.services.cli.app import run

COMMAND = (sys.executable, "-m", "upshot.services.cli")


@dataclass(frozen=True)
class Done:
    """What a command ended with and printed."""

    returncode: int
    stdout: str
    stderr: str


class Service:
    """`upshot up` in a folder.

    Attributes:
        url: where its API answers, once it is ready.
    """

    def __init__(self, folder: Path, *options: str, **variables: str) -> None:
        self.folder = folder
        self._options, self._variables = options, variables
        self._process: subprocess.Popen[bytes] | None = None
        self._out, self._err = folder / "up.out", folder / "up.err"
        self.url = ""

    def begin(self) -> None:
        """Start it, and don't wait for it."""
        with self._out.open("wb") as out, self._err.open("wb") as err:
            command = [*COMMAND, "up", "--port", "0", "--data-dir", "data", *self._options]
            self._process = subprocess.Popen(
                command, stdout=out, stderr=err, cwd=self.folder, env=self.environment()
            )

    def start(self) -> Service:
        """Start it, and return when it is ready."""
        self.begin()
        eventually(lambda: "\nready " in f"\n{self.out}" or not self.running, "it is ready")
        found = re.search(r"^ready (http://\S+)$", self.out, re.MULTILINE)
        assert found, f"it ended: {self.err}"
        self.url = found[1]
        return self

    def environment(self) -> dict[str, str]:
        """Return this process's environment with no setting of Upshot but those of this service."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("UPSHOT_")}
        return {**clean, **self._variables, **({"UPSHOT_URL": self.url} if self.url else {})}

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def wait(self) -> int:
        """Wait for its end and return its exit code."""
        assert self._process is not None
        return self._process.wait(PATIENCE)

    def stop(self) -> None:
        """End it in order; kill it if that does not help."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def run(self, *arguments: str, given: str = "") -> Done:
        """Run a command against it in this process: the same code, without a program's start."""
        out, err = io.StringIO(), io.StringIO()
        source = io.TextIOWrapper(io.BytesIO(given.encode()))
        with (
            mock.patch.dict(os.environ, self.environment(), clear=True),
            mock.patch.object(sys, "stdin", source),
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = run([*arguments])
        return Done(code, out.getvalue(), err.getvalue())

    def spawn(self, *arguments: str, **variables: str) -> Done:
        """Run a command against it as a program of its own."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment() | variables,
            timeout=PATIENCE,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def child(self, part: str) -> int | None:
        """Return the process id of the child whose command line holds ``part``."""
        found = [pid for pid, command in descendants(self.pid).items() if part in command]
        return min(found) if found else None


def found(service: Service, *command: str) -> Any:
    """Return what a command against a service tells as JSON."""
    done = service.run(*command, "--output", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def descendants(pid: int) -> dict[int, str]:
    """Return the processes below one, with their command lines."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    children = {int(row[0]): (int(row[1]), row[2] if len(row) > 2 else "") for row in rows}
    found: dict[int, str] = {}
    parents = {pid}
    while parents:
        parents = {each for each, (above, _) in children.items() if above in parents}
        found |= {each: children[each][1] for each in parents}
    return found


def gone(pids: list[int]) -> bool:
    """Tell whether none of these processes lives (a zombie that nobody asks for counts as one)."""
    return not any(is_alive(pid) for pid in pids)
