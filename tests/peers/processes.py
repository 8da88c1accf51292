"""Real processes beside the tests: finding, starting, asking and waiting for them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 60.0

T = TypeVar("T")


def program(name: str) -> str:
    """Find a peer's program; a missing one fails, for a skipped peer proves nothing."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not installed; `make test-peers` installs it")
    return found


def free_port() -> int:
    """Find a loopback port that nothing uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def read(url: str) -> str:
    """Return what ``url`` answers; anything but success raises."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def wait_for(what: str, probe: Callable[[], T | None]) -> T:
    """Ask ``probe`` until it answers with something, or fail naming ``what``."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if (answer := probe()) is not None:
            return answer
        time.sleep(0.1)
    pytest.fail(f"waited {PATIENCE:.0f} s in vain for {what}")


@contextmanager
def running(log: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process whose output goes to ``log``; stop it at the end."""
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
