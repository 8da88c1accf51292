"""Mapped tasks: how many a second one flow process runs, with every state change in the log."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Final

from upshot.events.log import START, Log
from upshot.events.store import Store

from . import measured_flows
from .figures import Bare, Benchmark, Figure
from .stage import Stage

COUNT: Final = 1000
_CHANGES: Final = ("task-run.pending", "task-run.running", "task-run.completed")
_SCRIPT: Final = f"""
import runpy, sys
flows = runpy.run_path(sys.argv[1])
flows["fan_out"]({COUNT})
"""


def run(quick: bool) -> list[Figure]:
    """Run the flow by hand on a store that is there, several times."""
    rounds = [_round() for _ in range(2 if quick else 5)]
    inside, outside, bare = (median(column) for column in zip(*rounds, strict=True))
    return [
        Figure(
            f"{COUNT:,} mapped no-op tasks, from Running to Completed in the log", outside,
            "tasks/s", 2_500, bare=Bare("ThreadPoolExecutor.map", bare),
            detail=f"{len(_CHANGES)} events each, counted; "
            f"{inside:,.0f} tasks/s from the flow's map to its last result",
        )
    ]  # fmt: skip


def _round() -> tuple[float, float, float]:
    with Stage() as stage:
        notes = stage.folder / "notes"
        stage.variables[measured_flows.FILE] = str(notes)
        command = [sys.executable, "-c", _SCRIPT, str(Path(measured_flows.__file__).resolve())]
        root = Path(__file__).parents[2]
        done = subprocess.run(
            command, env=stage.environment, cwd=root, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise AssertionError(f"the flow failed: {done.stderr[-2000:]}")
        seconds = stage.asked(_seconds_in_log)
        inside = COUNT / (int(notes.read_text().split()[1]) / 1e9)
    return inside, COUNT / seconds, _bare()


async def _seconds_in_log(store: Store) -> float:
    """Return how long the log says the run took, once it holds each change of each task."""
    log, cursor = Log(store), START
    counts: Counter[str] = Counter()
    times: dict[str, int] = {}
    while (page := await log.read(cursor)).events:
        counts.update(event.name for event in page.events)
        times |= {event.name: event.received for event in page.events}
        cursor = page.cursor
    if wrong := [name for name in _CHANGES if counts[name] != COUNT]:
        raise AssertionError(f"the log should hold {COUNT} each of {wrong}: {counts}")
    return (times["flow-run.completed"] - times["flow-run.running"]) / 1000


def _bare() -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor() as pool:
        list(pool.map(int, range(COUNT)))
    return COUNT / (time.perf_counter() - began)


BENCHMARK: Final = Benchmark(
    "tasks",
    f"{COUNT:,} mapped no-op tasks in one flow, every state change durable in the log",
    "at least 2,500 tasks/s",
    run,
)
