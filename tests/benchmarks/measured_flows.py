"""The flows that benchmarks run; what they measure themselves they append to a file."""

from __future__ import annotations

import os
import time
from pathlib import Path

from upshot import flow, task

FILE = "UPSHOT_BENCH_FILE"
"""Names the environment variable with the file's path."""


def note(*words: object) -> None:
    """Append a line to the file; short ones don't mix."""
    descriptor = os.open(os.environ[FILE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())
    os.close(descriptor)


@flow
def start(number: int) -> None:
    at = time.monotonic_ns()
    note(number, at)


@task
def nothing(number: int) -> int:
    return number


@flow
def fan_out(count: int) -> int:
    began = time.monotonic_ns()
    numbers = [future.result() for future in nothing.map(range(count))]
    note(count, time.monotonic_ns() - began)
    return len(numbers)


@flow
def linger(beside: str) -> None:
    """Tell this process's id, and stay until the file ``beside`` is there."""
    note(os.getpid())
    while not Path(beside).exists():
        time.sleep(0.02)
