"""A flow to be killed: a few short tasks, one of which fails the first time for some errands."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from upshot import flow, task
from upshot.flows import ThreadPoolTaskRunner

PACE = 0.08  # seconds


@contextmanager
def marked(folder: Path, number: int) -> Iterator[None]:
    """Leave this process's id where whoever wants to kill it finds it."""
    mark = folder / "running" / str(os.getpid())
    mark.parent.mkdir(exist_ok=True)
    mark.write_text(str(number))
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)


@task
def fetch(number: int) -> int:
    time.sleep(PACE)
    return number


@task
def pack(number: int, item: int) -> int:
    time.sleep(PACE)
    return number * 10 + item


@task
def stumble(folder: Path, number: int) -> None:
    """Fail the first time, for every third errand."""
    mark = folder / "stumbled" / str(number)
    mark.parent.mkdir(exist_ok=True)
    if number % 3 == 0 and not mark.exists():
        mark.touch()
        raise RuntimeError(f"errand {number} stumbles once")


@flow(name="errand", task_runner=ThreadPoolTaskRunner(max_workers=2))
def errand(number: int, folder: str) -> int:
    with marked(Path(folder), number):
        fetched = fetch(number)
        packed = [pack.submit(fetched, item) for item in range(3)]
        stumble(Path(folder), number)
        return sum(each.result() for each in packed)
