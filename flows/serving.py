"""Serves a flow: a worker for its deployment's pool, in the foreground, until it is interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from .deployments import Deployment

_PASSED_ON: Final = (signal.SIGINT, signal.SIGTERM)


def serve(deployment: Deployment) -> int:
    """Run a worker for the deployment's pool; return its exit code.

    It gets the signals that this process gets; the first one lets it finish what it runs.
    """
    command = [sys.executable, "-m", "upshot.services.cli", "worker", "start"]
    worker = subprocess.Popen([*command, "--pool", deployment.work_pool], start_new_session=True)
    with _passing_on(worker):
        return worker.wait()


@contextmanager
def _passing_on(worker: subprocess.Popen[bytes]) -> Iterator[None]:
    def pass_on(number: int, _frame: FrameType | None) -> None:
        worker.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
