"""A flow process for tests, forked where everything is imported, as a worker forks it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from pathlib import Path

from upshot.events.store import SyncStore
from upshot.flows.flowruns.process import execute_stored


def run(environment: dict[str, str], errors: str, *arguments: str) -> None:
    """Execute a run with standard error in a file, and with these settings alone."""
    for name in [each for each in os.environ if each.startswith("UPSHOT_")]:
        del os.environ[name]  # those of the test in which the server of forks was started
    os.environ.update(environment)
    with Path(errors).open("wb", 0) as file:
        os.dup2(file.fileno(), 2)
    url, run_id, epoch, lease_ms = arguments
    os._exit(execute_stored(SyncStore(url), run_id, int(epoch), int(lease_ms)))


class Child:
    """A flow process that was started."""

    def __init__(self, errors: Path, *arguments: str) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.flows.child"])
        chosen = {name: text for name, text in os.environ.items() if name.startswith("UPSHOT_")}
        self._errors = errors
        errors.touch()  # it may be killed before it opens it
        self._process = context.Process(target=run, args=(chosen, str(errors), *arguments))
        self._process.start()

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def errors(self) -> str:
        """Return what it has said on standard error so far."""
        return self._errors.read_text()

    def end(self, timeout: float = 60) -> tuple[int, str]:
        """Wait for its end; return its exit code and what it said on standard error."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            self._process.kill()
            sys.exit(f"a flow process did not end: {self.errors()}")
        return code, self.errors()
