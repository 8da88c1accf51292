"""The footprint: a flow process, imports, starts, and the whole service while nothing happens."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final

from upshot.events.exceptions import EventsError
from upshot.events.keys import DISPATCHERS
from upshot.events.store import Store
from upshot.services.client import Client

from ..services.service import Service, descendants
from . import measured_flows
from .figures import Bare, Benchmark, Figure
from .measuring import Memory, memory_of, processor_seconds
from .stage import Stage, stop, until

_ENTRYPOINT: Final = f"{Path(measured_flows.__file__).resolve()}:linger"
_IMPORT: Final = "import time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"


def run(quick: bool) -> list[Figure]:
    """Measure each of them."""
    few = 2 if quick else 5
    return [
        _flow_process(),
        *_imports(5 if quick else 15),
        *_starts(few),
        *_idle(5 if quick else 20),
    ]


def _flow_process() -> Figure:
    """Look at a flow process while its flow runs, forked by a worker as always."""
    with Stage() as stage:
        notes = stage.folder / "notes"
        stage.variables[measured_flows.FILE] = str(notes)
        stage.apply(deployments={"bench/linger": _ENTRYPOINT})
        stage.serve_light()
        stage.serve("worker")
        stage.serve_api()
        over = stage.folder / "over"
        body = {"deployment": "bench/linger", "parameters": {"beside": str(over)}}
        Client(f"http://127.0.0.1:{stage.port}").post("/runs", body)
        until(lambda: notes.exists() and notes.read_text().endswith("\n"), "the flow runs")
        memory = memory_of(int(notes.read_text()))
        over.touch()
    return Figure(
        "a flow process, RSS", memory.rss, "MB", 60, at_most=True,
        bare=Bare("Python that waits", _bare_python().rss),
        detail=f"PSS {memory.pss:.1f} MB: most of it is shared with the warm parent",
    )  # fmt: skip


def _bare_python() -> Memory:
    with subprocess.Popen([sys.executable, "-c", "print(1, flush=True); input()"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as python:  # fmt: skip
        assert python.stdout is not None
        python.stdout.readline()
        memory = memory_of(python.pid)
        python.kill()
    return memory


def _imports(times: int) -> list[Figure]:
    """Measure in fresh processes, in turns."""
    wanted = ("import upshot", "from upshot import flow, task", "import json")
    rounds = [[_import_ms(each) for each in wanted] for _ in range(times)]
    bare_import, names, json = (median(column) for column in zip(*rounds, strict=True))
    probe = Bare("import json", json)
    return [
        Figure(wanted[0], bare_import, "ms", 150, at_most=True, bare=probe),
        Figure(wanted[1], names, "ms", 150, at_most=True, bare=probe),
    ]


def _import_ms(statement: str) -> float:
    command = [sys.executable, "-c", _IMPORT.format(statement)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    return float(done.stdout) * 1000


def _starts(times: int) -> list[Figure]:
    """Start services where a store runs already, as after they died."""
    with Stage() as stage:
        rounds = [(_light_start(stage), _api_start(stage)) for _ in range(times)]
        bare = median(_import_ms("import fastapi, faststream.redis, sqlalchemy") for _ in range(3))
    starts, api = zip(*rounds, strict=True)
    engine, dispatcher = (median(column) for column in zip(*starts, strict=True))
    probe = Bare("import fastapi, faststream.redis, sqlalchemy", bare)
    return [
        Figure("light services, spawn to the engine at work", engine, "ms", bare=probe),
        Figure("light services, spawn to the dispatcher at work", dispatcher, "ms", bare=probe),
        Figure("API, spawn to its first answer", median(api), "ms", bare=probe),
    ]


def _light_start(stage: Stage) -> tuple[float, float]:
    """Return the ms until the engine owns the shard, and until a dispatcher asks for actions."""
    left = ("lease:engine", "actions")  # by what ran there before
    stage.asked(lambda store: store.execute("DEL", *(store.keys(name) for name in left)))
    began = time.perf_counter()
    light = stage.serve_light()
    engine = time.perf_counter() - began
    until(lambda: stage.asked(_dispatchers), "a dispatcher is there", every=0.005)
    dispatcher = time.perf_counter() - began
    stop(light)
    return engine * 1000, dispatcher * 1000


async def _dispatchers(store: Store) -> bool:
    try:
        consumers = await store.execute("XINFO", "CONSUMERS", store.keys("actions"), DISPATCHERS)
    except EventsError:  # there is no such group yet
        return False
    return bool(consumers)


def _api_start(stage: Stage) -> float:
    began = time.perf_counter()
    api = stage.serve_api()
    seconds = time.perf_counter() - began
    stop(api)
    return seconds * 1000


def _idle(seconds: float) -> list[Figure]:
    """Leave `upshot up` alone for a while."""
    with tempfile.TemporaryDirectory(prefix="upshot-bench-") as folder:
        service = Service(Path(folder)).start()
        try:
            pids = _settled(service.pid)
            before, began = processor_seconds(pids), time.monotonic()
            time.sleep(seconds)
            spent = (processor_seconds(pids) - before) / (time.monotonic() - began)
            sizes = [memory_of(pid) for pid in pids]
        finally:
            service.stop()
    total = sum(sizes, start=Memory(0, 0))
    bare = _bare_python()
    return [
        Figure(
            "the idle service, RSS of all processes", total.rss, "MB", 400, at_most=True,
            bare=Bare("as many Pythons that wait", bare.rss * len(sizes)),
            detail=f"PSS {total.pss:.1f} MB, in {len(sizes)} processes",
        ),
        Figure("the idle service, processor", spent * 100, "% of a core", 2, at_most=True),
    ]  # fmt: skip


def _settled(pid: int) -> list[int]:
    """Return a service's processes when none of them has come or gone for a while."""
    pids: list[int] = []
    while pids != (pids := [pid, *descendants(pid)]):
        time.sleep(3)
    return pids


BENCHMARK: Final = Benchmark(
    "memory",
    "what a flow process, imports, starts and the idle service take",
    "a flow process 60 MB; import upshot 150 ms; the idle service 400 MB and 2 % of a core",
    run,
)
