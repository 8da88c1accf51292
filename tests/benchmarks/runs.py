"""From run-deployment to the first line of the flow, in fresh processes and in ones used again."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from statistics import median
from typing import Any, Final

from pydantic_core import to_json

from . import measured_flows
from .figures import Bare, Benchmark, Figure
from .measuring import quantile
from .posting import Connection
from .stage import Stage, until

_PAUSE: Final = 0.1
_BARE: Final = "fork and exit of a warm process"
_RUNS_AT_ONCE: Final = 4
_DEPLOYMENT: Final = "bench/start"
_REUSED: Final = "bench/reused"
_EVENT: Final = "start.wanted"
_ENTRYPOINT: Final = f"{Path(measured_flows.__file__).resolve()}:start"

Start = Callable[[int], object]
"""Asks for the run of a number."""

_FORKS: Final = """
import os, sys, time
sys.path[0] = sys.argv[2]
from upshot.flows.flowruns.process import preload
preload(sys.argv[1])
count, began = int(sys.argv[3]), time.perf_counter()
for _ in range(count):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
print(count / (time.perf_counter() - began))
"""


class _Notes:
    """What the flows wrote: number of the run, monotonic ns of its first line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[int, int]:
        if not self._path.exists():
            return {}
        rows = [row.split() for row in self._path.read_text().splitlines()]
        return {int(number): int(at) for number, at in rows}

    def wait(self, count: int) -> dict[int, int]:
        until(lambda: len(self.read()) >= count, f"{count} flows have begun")
        return self.read()

    def clear(self) -> None:
        self._path.unlink(missing_ok=True)


def run(quick: bool) -> list[Figure]:
    """Start runs one by one over HTTP and by an automation, then as many as it takes at once."""
    single, many = (10, 60) if quick else (40, 300)
    with Stage() as stage:
        notes = _Notes(stage.folder / "notes")
        stage.variables[measured_flows.FILE] = str(stage.folder / "notes")
        stage.apply(automations=[_automation()], deployments={_DEPLOYMENT: _ENTRYPOINT})
        stage.serve_light()
        stage.serve("worker")
        stage.serve_api()
        stage.settle()
        ask = _ask(stage.port)
        _one_by_one(ask, notes, 3)  # warm: the parent process with the imports done
        by_request = _one_by_one(ask, notes, single)
        by_automation = _one_by_one(_emit(stage.port), notes, single)
        rate = _throughput(stage, ask, notes, many)
        forks = _forks(many)
        stage.apply(deployments={_REUSED: _ENTRYPOINT}, job={"reuse": True})
        ask = _ask(stage.port, _REUSED)
        _one_by_one(ask, notes, 3)
        reused = _one_by_one(ask, notes, single)
        _throughput(stage, ask, notes, many)  # until as many processes wait as run at a time
        reused_rate = _throughput(stage, ask, notes, many * 5)
    return [
        _latency("POST /api/v1/runs to the flow's first line", by_request, forks),
        _latency("event to automation to the flow's first line", by_automation, forks),
        Figure(
            "runs/s, each begun and ended", rate, "runs/s", 100,
            bare=Bare(_BARE, forks),
        ),
        _latency("the same, in a process that was used before", reused, forks, most=5),
        Figure(
            "runs/s in processes that are used again, each begun and ended", reused_rate,
            "runs/s", 500, bare=Bare(_BARE, forks),
        ),
    ]  # fmt: skip


def _latency(what: str, delays: list[float], forks: float, *, most: float = 20) -> Figure:
    return Figure(
        f"{what}, p50", median(delays), "ms", most, at_most=True, bare=Bare(_BARE, 1000 / forks),
        detail=f"p90 {quantile(delays, 0.9):.1f} ms, of {len(delays)} runs one after the other",
    )  # fmt: skip


def _automation() -> dict[str, Any]:
    started = {"deployment": _DEPLOYMENT, "parameters": {"number": "{{ event.payload.number }}"}}
    return {
        "name": "start-when-wanted",
        "trigger": {"type": "event", "expect": [_EVENT]},
        "actions": [{"run-deployment": started}],
    }


def _ask(port: int, deployment: str = _DEPLOYMENT) -> Start:
    connections: SimpleQueue[Connection] = SimpleQueue()
    for _ in range(_RUNS_AT_ONCE):
        connections.put(Connection(port, "/api/v1/runs", "application/json"))

    def ask(number: int) -> None:
        body = to_json({"deployment": deployment, "parameters": {"number": number}})
        connection = connections.get()
        connection.send(connection.request(body))
        connections.put(connection)

    return ask


def _emit(port: int) -> Start:
    connection = Connection(port, "/api/v1/events")

    def emit(number: int) -> None:
        resource = {"id": f"request.{number}"}
        event = {"event": _EVENT, "resource": resource, "payload": {"number": number}}
        connection.send(connection.request(to_json(event)))

    return emit


def _one_by_one(start: Start, notes: _Notes, count: int) -> list[float]:
    """Return ms from the request until the flow's first line, for each run."""
    notes.clear()
    asked = {}
    for number in range(count):
        asked[number] = time.monotonic_ns()
        start(number)
        notes.wait(number + 1)
        time.sleep(_PAUSE)
    return [(at - asked[number]) / 1e6 for number, at in notes.read().items()]


def _throughput(stage: Stage, ask: Start, notes: _Notes, count: int) -> float:
    """Return runs a second from the first request until the last run is Completed."""
    notes.clear()
    before = _completed(stage)
    began = time.monotonic()
    with ThreadPoolExecutor(_RUNS_AT_ONCE) as pool:
        list(pool.map(ask, range(count)))
    until(lambda: _completed(stage) - before >= count, "every run is Completed", every=0.05)
    seconds = time.monotonic() - began
    notes.wait(count)
    return count / seconds


def _completed(stage: Stage) -> int:
    return int(stage.asked(lambda store: store.execute("ZCARD", store.keys("runs", "Completed"))))


def _forks(count: int) -> float:
    """Return how many children a second a process with the same imports forks and buries."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", _FORKS, _ENTRYPOINT, str(root), str(count)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


BENCHMARK: Final = Benchmark(
    "runs",
    "a deployment's run is asked for, a worker gives it a process, the flow begins",
    "fresh: p50 20 ms to the first line, 100 runs/s; used again: 5 ms and 500 runs/s",
    run,
)
