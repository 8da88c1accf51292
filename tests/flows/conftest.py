"""What tests of flows share: a store that flows join, and a view of what they left there."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import from_json

from upshot.events.store import SyncStore
from upshot.flows.runs.flowrun import FlowRun, new_run, parse_run
from upshot.flows.runs.transitions import create_arguments, transition_arguments
from upshot.flows.states import State

from .child import Child

ROOT = Path(__file__).parents[2]

of_one_cluster = pytest.mark.xdist_group("cluster")  # in one process, where it starts once a module


@dataclass
class Seen:
    """What stands in the store."""

    store: SyncStore

    def events(self, prefix: str = "") -> list[dict[str, Any]]:
        entries = self.store.execute("XRANGE", self.store.keys("log"), "-", "+")
        bodies = [from_json(entry[1][1]) for entry in entries]
        return [body for body in bodies if body["event"].startswith(prefix)]

    def names(self, prefix: str = "") -> list[str]:
        return [event["event"] for event in self.events(prefix)]

    def runs(self) -> list[FlowRun]:
        ids = self.store.execute("ZRANGE", self.store.keys("runs"), 0, -1)
        return [self.run(run_id.decode()) for run_id in ids]

    def run(self, run_id: str) -> FlowRun:
        return parse_run(self.store.execute("HGETALL", self.store.keys("run", run_id)))

    def only_run(self) -> FlowRun:
        (run,) = self.runs()
        return run

    def tasks(self, run_id: str | None = None) -> dict[str, dict[str, Any]]:
        """Return the records of a run's task runs by name."""
        key = self.store.keys("tasks", run_id or self.only_run().id)
        stored = self.store.execute("HGETALL", key)
        records = [from_json(value.partition(b" ")[2]) for value in stored.values()]
        for kind, record in zip(stored.values(), records, strict=True):
            assert kind.startswith(f"{record['state']['type']} ".encode())
        return {record["name"]: record for record in records}

    def states(self, task: str, run_id: str | None = None) -> list[str]:
        """Return the names of the states that a task run went through."""
        identity = f"task-run.{self.tasks(run_id)[task]['id']}"
        events = [
            event for event in self.events("task-run.") if event["resource"]["id"] == identity
        ]
        return [event["resource"]["state"] for event in events]

    def logs(self, run_id: str | None = None) -> list[dict[str, Any]]:
        key = self.store.keys("logs", run_id or self.only_run().id)
        return [from_json(entry[1][1]) for entry in self.store.execute("XRANGE", key, "-", "+")]

    def asset(self, key: str) -> dict[str, Any]:
        """Return what is known of an asset."""
        fields = self.store.execute("HGETALL", self.store.keys("asset", key))
        return {name.decode(): _parsed(value) for name, value in fields.items()}

    def messages(self, run_id: str | None = None) -> list[str]:
        return [line["message"] for line in self.logs(run_id)]


def _parsed(value: bytes) -> Any:
    first, blank, rest = value.partition(b" ")
    return from_json(rest if blank and first.isdigit() else value)


@pytest.fixture
def seen(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """Let flows join the session's store; return a view of it."""
    monkeypatch.setenv("UPSHOT_REDIS_URL", store_url)
    monkeypatch.setenv("UPSHOT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    store = SyncStore(store_url)
    store.load_functions()
    yield Seen(store)
    store.close()


@dataclass
class Processes:
    """Flow processes, started as a worker starts them, without its warm parents."""

    seen: Seen
    folder: Path

    def module(self, source: str) -> str:
        path = self.folder / f"flows_of_{self.folder.name}.py"  # a cluster's workers know many
        path.write_text(textwrap.dedent(source))
        return str(path)

    def create(self, entrypoint: str, **rest: Any) -> FlowRun:
        """Put a run into its pool's queue."""
        run = new_run("f", state=State("Scheduled"), entrypoint=entrypoint, pool="p", **rest)
        self.seen.store.call("create_run", *create_arguments(run))
        return run

    def take(self, run_id: str, lease_ms: int = 15_000) -> FlowRun:
        """Take a run as a worker does."""
        return self.change(run_id, State("Pending"), lease_ms=lease_ms)

    def change(self, run_id: str, state: State, **how: Any) -> FlowRun:
        """Change the state of a run from outside."""
        run = self.seen.run(run_id)
        how.setdefault("lease_ms", 15_000)
        self.seen.store.call("transition", *transition_arguments(run, state, own=False, **how))
        return self.seen.run(run_id)

    def start(self, run: FlowRun, lease_ms: int = 15_000) -> Child:
        errors = self.folder / f"{run.id}-{run.epoch}.errors"
        return Child(errors, self.seen.store.url, run.id, str(run.epoch), str(lease_ms))

    def execute(self, entrypoint: str, **rest: Any) -> tuple[FlowRun, int]:
        """Run a new run to its end; return it and the process's exit code."""
        run = self.create(entrypoint, **rest)
        code = self.go(run.id)
        return self.seen.run(run.id), code

    def go(self, run_id: str) -> int:
        code, _ = self.start(self.take(run_id)).end()
        return code

    def retry(self, run_id: str) -> FlowRun:
        """Schedule an ended run again and run it to its end."""
        self.change(run_id, State("AwaitingRetry"))
        self.go(run_id)
        return self.seen.run(run_id)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Return a Dask cluster of two processes."""
    from distributed import LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 2, "processes": True}
    with LocalCluster(dashboard_address=":0", **options) as made:
        yield made


@pytest.fixture
def processes(seen: Seen, tmp_path: Path) -> Processes:
    return Processes(seen, tmp_path)


@pytest.fixture
def told() -> list[Any]:
    """What the tasks of a test tell, in order."""
    return []
