"""Serves a flow: a worker for its deployment's pool, in the foreground, until it is interrupted."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from upshot.events.processes import GuardedProcess

from .deployment import Deployment

_PASSED_ON: Final = (signal.SIGINT, signal.SIGTERM)
_STDERR: Final = 2


def serve(deployment: Deployment) -> int:
    """Run a worker for the deployment's pool; return its exit code."""
    return serve_pool(deployment.work_pool)


def serve_pool(pool: str) -> int:
    """Run a worker for a pool; return its exit code.

    It gets the signals that this process gets, of which the first lets it finish what it runs; and
    it never outlives this process.
    """
    command = [sys.executable, "-m", "upshot.services.cli", "worker", "start"]
    worker = GuardedProcess([*command, "--pool", pool], output=_STDERR)
    with _passing_on(worker):
        code = worker.wait()
    return 0 if code is None else code


@contextmanager
def _passing_on(worker: GuardedProcess) -> Iterator[None]:
    def pass_on(number: int, _frame: FrameType | None) -> None:
        worker.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
