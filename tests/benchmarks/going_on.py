"""Going on: a flow that failed late is retried, and a worker dies while a run is under way."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from statistics import median
from typing import Any, Final

from upshot.events.log import START, Log
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State

from . import measured_flows
from .figures import Bare, Benchmark, Figure
from .stage import Stage, until

_TASKS: Final = 10_000
_LEASE: Final = 1.0
_HEALING: Final = {
    "name": "crashed-runs-go-on",
    "trigger": {"type": "event", "expect": ["flow-run.crashed"]},
    "actions": [{"retry-flow-run": {}}],
}
_FLOWS: Final = Path(measured_flows.__file__).resolve()


def run(quick: bool) -> list[Figure]:
    """Retry a flow of many tasks; kill a worker a few times."""
    tasks = _TASKS // 10 if quick else _TASKS
    rounds = [_retried(tasks) for _ in range(1 if quick else 3)]
    first, again = (median(column) for column in zip(*rounds, strict=True))
    deaths = [_moved() for _ in range(1 if quick else 5)]
    return [
        Figure(
            f"a retried flow of {tasks:,} tasks that are done, to its end", again, "s", 3,
            at_most=True, bare=Bare("its first attempt", first),
            detail="from the request to Completed in the log, in a new process; each task is "
            "called again, found done, and its result is returned",
        ),
        Figure(
            "a worker is killed: its run goes on in another one, after", median(deaths), "s", 2,
            at_most=True, bare=Bare("the lease", _LEASE),
            detail=f"`lease: 1s`; {max(deaths):.2f} s at most, of {len(deaths)}; SIGKILL, "
            "an automation retries what crashed, and the other worker has run this flow before",
        ),
    ]  # fmt: skip


def _retried(tasks: int) -> tuple[float, float]:
    """Return the seconds that the first attempt took, and those from the retry to the end."""
    with _staged() as stage:
        stage.serve("worker")
        go_on = stage.folder / "mended"
        run = _submit(stage, "stumble", count=tasks, beside=str(go_on))
        _await_state(stage, run, "Failed")
        go_on.touch()
        stage.asked(lambda store: Runs(store).retry(run.id))
        _await_state(stage, run, "Completed")
        times = stage.asked(lambda store: _times(store, run))
    (failed,), (done,) = times["flow-run.failed"], times["flow-run.completed"]
    _, retried = times["flow-run.scheduled"]
    began = times["flow-run.running"][0]
    return (failed - began) / 1000, (done - retried) / 1000


def _moved() -> float:
    """Return the seconds from a worker's death until its run's code runs in another worker."""
    with _staged(UPSHOT_LEASE=str(_LEASE)) as stage:
        notes = Path(stage.variables[measured_flows.FILE])
        stage.apply(automations=[_HEALING])
        stage.serve_light()
        other, over = stage.serve("worker"), stage.folder / "over"
        over.touch()
        _await_state(stage, _submit(stage, "linger", beside=str(over)), "Completed")
        over.unlink()
        other.send_signal(signal.SIGSTOP)
        first = stage.serve("worker")
        run = _submit(stage, "linger", beside=str(over))
        until(lambda: _lines(notes) == 2, "the flow runs")
        other.send_signal(signal.SIGCONT)
        time.sleep(3 * _LEASE)  # the scheduler has known the store for long enough to judge
        first.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        until(lambda: _lines(notes) == 3, "it runs again", every=0.005)
        seconds = time.monotonic() - killed
        over.touch()
        _await_state(stage, run, "Completed")
    return seconds


def _staged(**variables: str) -> Stage:
    stage = Stage(**variables)
    stage.variables[measured_flows.FILE] = str(stage.folder / "notes")
    return stage


def _lines(notes: Path) -> int:
    return notes.read_text().count("\n") if notes.exists() else 0


def _submit(stage: Stage, name: str, **parameters: Any) -> FlowRun:
    run = new_run(
        name, state=State("Scheduled"), entrypoint=f"{_FLOWS}:{name}", pool="default",
        parameters=parameters,
    )  # fmt: skip
    stage.asked(lambda store: Runs(store).create(run))
    return run


def _await_state(stage: Stage, run: FlowRun, name: str) -> None:
    async def present(store: Store) -> str:
        return (await Runs(store).get(run.id)).state.name

    until(lambda: stage.asked(present) == name, f"{run.flow} is {name}", every=0.1)


async def _times(store: Store, run: FlowRun) -> dict[str, list[int]]:
    """Return when the log says that the run entered each state, in ms."""
    log, cursor = Log(store), START
    times: dict[str, list[int]] = {}
    while (page := await log.read(cursor)).events:
        for event in page.events:
            if event.resource["id"] == f"flow-run.{run.id}":
                times.setdefault(event.name, []).append(event.received)
        cursor = page.cursor
    return times


BENCHMARK: Final = Benchmark(
    "going-on",
    "a retried flow finds its tasks done; a dead worker's run goes on in another one",
    f"3 s for {_TASKS:,} tasks; 2 s after a worker's death, with a lease of 1 s",
    run,
)
