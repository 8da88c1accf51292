"""The flows that benchmarks run; what they measure themselves they append to a file."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from statistics import median

from upshot import flow, task

FILE = "UPSHOT_BENCH_FILE"
"""Names the environment variable with the file's path."""


def note(*words: object) -> None:
    """Append a line to the file; short ones don't mix."""
    descriptor = os.open(os.environ[FILE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())
    os.close(descriptor)


def peak_memory() -> float:
    """Return the most MB that this process had; a parent's do not count, where that is known."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


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
    note(count, time.monotonic_ns() - began, peak_memory())
    return len(numbers)


@flow
def one_by_one(count: int) -> None:
    """Tell the median ns that a call of a task takes."""
    taken = []
    for number in range(count):
        began = time.perf_counter_ns()
        nothing(number)
        taken.append(time.perf_counter_ns() - began)
    note(count, median(taken))


@flow
def stumble(count: int, beside: str) -> int:
    """Fail after the last task, as long as the file ``beside`` is not there."""
    numbers = nothing.map(range(count)).result()
    if not Path(beside).exists():
        raise RuntimeError("the first time it fails")
    return len(numbers)


@flow
def linger(beside: str) -> None:
    """Tell this process's id, and stay until the file ``beside`` is there."""
    note(os.getpid())
    while not Path(beside).exists():
        time.sleep(0.02)
