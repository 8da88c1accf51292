"""Executes a run in a program of its own, which a worker has started somewhere.

environment → the run → its code, where this process is to fetch it → execution → exit code
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter

from upshot.events.store import SyncStore

from ..deployments.checkouts import code_folder, laid_out
from ..deployments.sources import FolderSource, GitSource, Source
from ..exceptions import FlowsError
from ..runs.flowrun import FlowRun, parse_run
from ..runs.transitions import transition_arguments
from ..states import State
from .process import execute_stored

RUN: Final = "UPSHOT_RUN_ID"
EPOCH: Final = "UPSHOT_RUN_EPOCH"
LEASE: Final = "UPSHOT_RUN_LEASE_MS"
FETCH: Final = "UPSHOT_RUN_FETCH"
STORE: Final = "UPSHOT_REDIS_URL"
_MISUSED: Final = 2
_NO_CODE: Final = 1

_log = logging.getLogger(__name__)
_ADAPTER: Final[TypeAdapter[GitSource | FolderSource]] = TypeAdapter(Source)


@dataclass(frozen=True, slots=True)
class Started:
    """A run, and where it is.

    Attributes:
        epoch: of the run when it was taken. lease_ms: how long it counts as alive.
        fetches: whether this process is to fetch the code.
    """

    store_url: str
    run_id: str
    epoch: int
    lease_ms: int
    fetches: bool = False


def read(environment: Mapping[str, str]) -> Started | None:
    """Return what the environment says; None where it names no run."""
    try:
        run_id, epoch, store = (environment[name] for name in (RUN, EPOCH, STORE))
        lease_ms = int(environment.get(LEASE, "15000"))
        return Started(store, run_id, int(epoch), lease_ms, bool(environment.get(FETCH)))
    except (KeyError, ValueError):
        return None


def source_of(launch: Mapping[str, object]) -> GitSource | FolderSource | None:
    """Return the source that a run has of its deployment, if any."""
    given = launch.get("source")
    return _ADAPTER.validate_python(given) if given else None


def main() -> int:
    """Execute the run that the environment names; return the exit code."""
    started = read(os.environ)
    if started is None:
        sys.stderr.write("python -m upshot.flows is what workers start for a run\n")
        return _MISUSED
    if started.fetches and not _fetch(started):
        return _NO_CODE
    store = SyncStore(started.store_url)
    try:
        return execute_stored(store, started.run_id, started.epoch, started.lease_ms)
    finally:
        store.close()


def _fetch(started: Started) -> bool:
    """Lay the run's code out and go there; where that fails, the run has crashed."""
    store = SyncStore(started.store_url)
    try:
        run = parse_run(store.execute("HGETALL", store.keys("run", started.run_id)))
        try:
            _lay_out(run)
        except FlowsError as error:
            _log.error("no code for run %s: %s", run.name, error)
            state = State("Crashed", str(error))
            store.call("transition", *transition_arguments(run, state, own=True))
            return False
        return True
    finally:
        store.close()


def _lay_out(run: FlowRun) -> None:
    source = source_of(run.launch)
    if source is not None:
        folder = os.environ.get("UPSHOT_DATA_DIR") or tempfile.gettempdir()
        os.chdir(code := laid_out(source, code_folder(folder)))
        sys.path.insert(0, str(code))
