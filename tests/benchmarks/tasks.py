"""Mapped tasks: how many a second one flow process runs, with every state change in the log."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from upshot.events.log import START, Log
from upshot.events.store import Store

from . import measured_flows
from .figures import Bare, Benchmark, Figure
from .peer import NotToBeHad, Peer, measure
from .stage import Stage

COUNT: Final = 1000
_MANY: Final = 100_000
_CALLS: Final = 500
_CHANGES: Final = ("task-run.pending", "task-run.running", "task-run.completed")
_SCRIPT: Final = """
import runpy, sys
flows = runpy.run_path(sys.argv[1])
flows[sys.argv[2]](int(sys.argv[3]))
"""


@dataclass(frozen=True, slots=True)
class _Map:
    """A flow's map: tasks a second in the log, those that the flow saw, and its memory in MB."""

    logged: float
    seen: float
    peak: float


def run(quick: bool) -> list[Figure]:
    """Run flows by hand on stores that are there, several times; Prefect's next to them."""
    peer = _peer(quick)
    rounds = [(_map(COUNT), _bare()) for _ in range(2 if quick else 5)]
    bare = Bare("ThreadPoolExecutor.map", median(bare for _, bare in rounds))
    logged, seen = (
        median(column) for column in zip(*((m.logged, m.seen) for m, _ in rounds), strict=True)
    )
    few, many = _map(COUNT), _map(COUNT * 10 if quick else _MANY)
    number = COUNT * 10 if quick else _MANY
    theirs = mine = None
    if isinstance(peer, Peer):
        theirs, mine = Bare(peer.name, peer.rate), Bare(peer.name, peer.overhead_ms)
    return [
        Figure(
            f"{COUNT:,} mapped no-op tasks, from Running to Completed in the log", logged,
            "tasks/s", 5_000, bare=bare,
            detail=f"{len(_CHANGES)} events each, counted; "
            f"{seen:,.0f} tasks/s from the flow's map to its last result",
        ),
        Figure(
            "the same next to Prefect", logged, "tasks/s",
            bare=theirs, detail=_told(peer),
        ),
        Figure(
            "a task that is called in the flow, p50", median(_call_ms() for _ in range(3)), "ms",
            0.3, at_most=True, bare=mine,
            detail="from the call to its result, with every state change on its way to the log",
        ),
        Figure(
            f"{number:,} mapped no-op tasks in one run, none lost", many.logged, "tasks/s",
            detail=f"{len(_CHANGES)} events each and every record, counted",
        ),
        Figure(
            "memory of its flow process at its highest", many.peak, "MB", 200, at_most=True,
            bare=Bare(f"with {COUNT:,} tasks", few.peak),
            detail="the flow keeps a future for each",
        ),
    ]  # fmt: skip


def _map(count: int) -> _Map:
    with Stage() as stage:
        words = _flow(stage, "fan_out", count)
        seconds = stage.asked(lambda store: _seconds_in_log(store, count))
        inside = count / (int(words[1]) / 1e9)
    return _Map(count / seconds, inside, float(words[2]))


def _call_ms() -> float:
    with Stage() as stage:
        return float(_flow(stage, "one_by_one", _CALLS)[1]) / 1e6


def _flow(stage: Stage, name: str, count: int) -> list[str]:
    """Run a flow by hand; return the words of its note."""
    notes = stage.folder / "notes"
    stage.variables[measured_flows.FILE] = str(notes)
    path = str(Path(measured_flows.__file__).resolve())
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, path, name, str(count)],
        env=stage.environment, cwd=Path(__file__).parents[2],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise AssertionError(f"the flow failed: {done.stderr[-2000:]}")
    return notes.read_text().split()


async def _seconds_in_log(store: Store, count: int) -> float:
    """Return how long the log says the run took, once it holds each change of each task."""
    log, cursor = Log(store), START
    counts: Counter[str] = Counter()
    times: dict[str, int] = {}
    runs: set[str] = set()
    while (page := await log.read(cursor)).events:
        counts.update(event.name for event in page.events)
        times |= {event.name: event.received for event in page.events}
        runs |= {
            event.resource["id"] for event in page.events if event.name == "flow-run.completed"
        }
        cursor = page.cursor
    if wrong := [name for name in _CHANGES if counts[name] != count]:
        raise AssertionError(f"the log should hold {count} each of {wrong}: {counts}")
    (run,) = runs
    kept = await store.execute("HLEN", store.keys("tasks", run.removeprefix("flow-run.")))
    if kept != count:
        raise AssertionError(f"{kept} of {count} task runs have a record")
    return (times["flow-run.completed"] - times["flow-run.running"]) / 1000


def _bare() -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor() as pool:
        list(pool.map(int, range(COUNT)))
    return COUNT / (time.perf_counter() - began)


def _peer(quick: bool) -> Peer | str:
    try:
        return measure(50 if quick else 400, 20 if quick else 100, install=not quick)
    except NotToBeHad as error:
        return str(error)


def _told(peer: Peer | str) -> str:
    if isinstance(peer, str):
        return f"Prefect was not to be had: {peer}"
    return (
        f"{peer.known} of its {peer.count} mapped tasks were Completed for its API in the end; "
        "its own server and database, as it starts them, in an environment of its own"
    )


BENCHMARK: Final = Benchmark(
    "tasks",
    f"{COUNT:,} mapped no-op tasks in one flow, every state change durable in the log",
    f"at least 5,000 tasks/s; {_MANY:,} in one run with none lost and memory bounded; 0.3 ms for "
    "one task, p50",
    run,
)
