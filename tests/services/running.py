"""A worker and a scheduler as real processes, and runs for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.waiting import until
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State

LEASE = 1.0


@contextmanager
def service(
    *names: str, store_url: str, arguments: tuple[str, ...] = (), **settings: object
) -> Iterator[subprocess.Popen[bytes]]:
    """Run services in a process of their own; kill it at the end."""
    command = [sys.executable, "-P", "-m", "upshot.services.serving", *names, *arguments]
    given = {f"UPSHOT_{key.upper()}": str(value) for key, value in settings.items()}
    environment = {**os.environ, "UPSHOT_REDIS_URL": store_url, "UPSHOT_LEASE": str(LEASE), **given}
    with subprocess.Popen(command, env=environment) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()


@contextmanager
def worker(
    store_url: str, name: str = "w", **settings: object
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker of the default pool."""
    with service("worker", store_url=store_url, arguments=("--name", name), **settings) as process:
        yield process


@contextmanager
def scheduler(store_url: str) -> Iterator[subprocess.Popen[bytes]]:
    with service("scheduler", store_url=store_url) as process:
        yield process


async def submit(store: Store, entrypoint: str, **parameters: Any) -> FlowRun:
    """Put a run into the default pool's queue."""
    run = new_run(
        "made",
        state=State("Scheduled"),
        entrypoint=entrypoint,
        pool="default",
        parameters=parameters,
    )
    await Runs(store).create(run)
    return run


async def until_state(store: Store, run: FlowRun, *names: str) -> FlowRun:
    """Wait until a run is in one of these states."""

    async def there() -> FlowRun | None:
        now = await Runs(store).get(run.id)
        return now if now.state.name in names else None

    found: FlowRun = await until(there, f"{run.name} {names}")
    return found


async def until_line(path: Path) -> str:
    """Wait until a file has a whole line; return it."""

    async def there() -> str:
        return first_line(path)

    return str(await until(there, f"a line in {path}"))


def first_line(path: Path) -> str:
    text = path.read_text() if path.exists() else ""
    return text.partition("\n")[0] if "\n" in text else ""


def process_stat(pid: int) -> list[str]:
    """Return a process's state and its parent's id; nothing when it is gone."""
    if not Path("/proc/self").exists():
        told = subprocess.run(["ps", "-o", "stat=,ppid=", "-p", str(pid)], capture_output=True)
        return told.stdout.decode().split()
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return []
