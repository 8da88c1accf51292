"""What benchmarks run on: an embedded store in a folder of its own, and real service processes."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import uvloop

from upshot.automations import Automation, Deployment
from upshot.events.embedded import EmbeddedStore
from upshot.events.processes import GuardedProcess
from upshot.events.store import Store
from upshot.services.definitions.catalog import Catalog

T = TypeVar("T")

_PATIENCE: Final = 120.0
_LIGHT: Final = ("engine", "dispatcher", "scheduler")


class Stage:
    """A store as `upshot up` runs it, and the services that a benchmark asks for.

    Attributes:
        folder: everything that is written is in it; it goes with the stage.
        variables: what the services find in their environment besides.
        port: where the API listens, once it serves.
    """

    def __init__(self, **variables: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="upshot-bench-"))
        (self.folder / "services.log").touch()
        self.variables = variables
        self._embedded = EmbeddedStore(self.folder / "data")
        self._processes: list[GuardedProcess] = []
        self.port = 0

    def __enter__(self) -> Self:
        self._embedded.start()
        self.asked(lambda store: store.load_functions())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in reversed(self._processes):
            stop(process)
        self._embedded.stop()
        if error is not None:
            print((self.folder / "services.log").read_text()[-4000:], file=sys.stderr)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def store_url(self) -> str:
        return self._embedded.url

    @property
    def environment(self) -> dict[str, str]:
        """The environment of services: no setting of this user's, only the stage's own."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("UPSHOT_")}
        address = {"UPSHOT_REDIS_URL": self.store_url, "UPSHOT_DATA_DIR": str(self.folder / "data")}
        return {**clean, **address, **self.variables}

    def serve(self, *services: str, options: tuple[str, ...] = ()) -> GuardedProcess:
        """Start services in one process, as the supervisor starts them."""
        command = [sys.executable, "-P", "-m", "upshot.services.serving", *services, *options]
        with (self.folder / "services.log").open("ab") as log:
            process = GuardedProcess(
                command, output=log.fileno(), cwd=self.folder, env=self.environment
            )
        self._processes.append(process)
        return process

    def serve_api(self) -> GuardedProcess:
        """Start the API on a free port and wait until it answers."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.variables["UPSHOT_PORT"] = str(self.port)
        process = self.serve("api")
        until(lambda: process.alive() is False or self._answers(), "the API answers")
        return process

    def serve_light(self) -> GuardedProcess:
        """Start engine, dispatcher and scheduler, and wait until the engine owns the shard."""
        process = self.serve(*_LIGHT)
        held = self._embedded_keys("lease:engine")
        until(
            lambda: not process.alive() or self.asked(lambda store: store.execute("EXISTS", held)),
            "the engine owns the shard",
        )
        return process

    def _embedded_keys(self, name: str) -> str:
        return self.asked(lambda store: _value(store.keys(name)))

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def asked(self, ask: Callable[[Store], Awaitable[T]]) -> T:
        """Return what somebody who asks the store in an event loop of its own is told."""

        async def work() -> T:
            store = Store(self.store_url, timeout=60)
            try:
                return await ask(store)
            finally:
                await store.close()

        return in_loop(work)

    def apply(
        self,
        *,
        automations: list[dict[str, Any]] | None = None,
        deployments: Mapping[str, str] | None = None,
        job: Mapping[str, Any] | None = None,
    ) -> None:
        """Put automations, and deployments (name → entrypoint) with a job, in force."""
        wanted = {
            "automation": {
                each["name"]: Automation.model_validate(each).model_dump(mode="json", by_alias=True)
                for each in automations or ()
            },
            "deployment": {
                name: Deployment(name=name, entrypoint=entrypoint, job=dict(job or {})).model_dump(
                    mode="json"
                )
                for name, entrypoint in (deployments or {}).items()
            },
        }
        self.asked(lambda store: Catalog(store).apply(wanted))

    def settle(self) -> None:
        """Wait until the engine has read the whole log."""
        until(lambda: self.asked(_caught_up), "the engine has read the log")


async def _value(value: T) -> T:
    return value


async def _caught_up(store: Store) -> bool:
    cursor = await store.execute("HGET", store.keys("engine"), "cursor")
    newest = await store.execute("XREVRANGE", store.keys("log"), "+", "-", "COUNT", 1)
    return bool(newest) and cursor == newest[0][0]


def in_loop(work: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine in the event loop that the services use."""

    async def awaited() -> T:
        return await work()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(awaited())


def until(holds: Callable[[], object], what: str, every: float = 0.02) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: it never did.
    """
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"it never came true that {what}")
        time.sleep(every)


def stop(process: GuardedProcess) -> None:
    """End a process in order; kill it if that does not help."""
    process.send_signal(signal.SIGCONT)
    process.send_signal(signal.SIGTERM)
    if process.wait(20) is None:
        process.send_signal(signal.SIGKILL)
        process.wait()
