"""The service that is killed: `upshot up` with a process for each part, always at one address."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.services.service import descendants, gone
from tests.waiting import eventually
from upshot.events.data_folder import DataFolder
from upshot.events.exceptions import EventsError
from upshot.events.processes import GuardedProcess
from upshot.events.store import SyncStore

from .receiving import Receiver, free_port

HERE = Path(__file__).resolve().parent
COMMAND = (sys.executable, "-P", "-m", "upshot.services.cli")
PARTS = ("store", "engine", "dispatcher", "scheduler", "api", "worker")


class Whole:
    """Everything at once, in a folder.

    Args:
        folder: where it and its flows write. lease: in seconds; the shorter, the sooner it heals.
        data_dir: of the store, where it is not below the folder.
        variables: of the environment, for what is applied.
    """

    def __init__(
        self,
        folder: Path,
        *,
        lease: float = 1.0,
        data_dir: Path | None = None,
        variables: Mapping[str, str] | None = None,
        **settings: object,
    ) -> None:
        self.folder = folder
        self.data_dir = data_dir or folder / "data"
        self._variables = dict(variables or {})
        self.port = free_port()
        self.receiver = Receiver(folder)
        self._log = folder / "up.log"
        self._process: GuardedProcess | None = None
        self._settings = {"lease": lease, "restart_pause": 0.2, "log_format": "json", **settings}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("UPSHOT_")}
        own = {"data_dir": self.data_dir, **self._settings}
        given = {f"UPSHOT_{key.upper()}": str(value) for key, value in own.items()}
        ours = {"CHAOS_RECEIVER": self.receiver.url, "CHAOS_FOLDER": str(self.folder)}
        return {**clean, **given, **ours, **self._variables, "UPSHOT_URL": self.url}

    def __enter__(self) -> Self:
        self.receiver.start()
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self.receiver.stop()
        if error is not None:
            print(self._log.read_text()[-6000:], file=sys.stderr)

    def start(self, *, wait: bool = True) -> None:
        """Start `upshot up`; with ``wait``, return when it is ready."""
        before = self._log.stat().st_size if self._log.exists() else 0
        command = [*COMMAND, "up", "--apart", "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = GuardedProcess(
                command, output=log.fileno(), cwd=self.folder, env=self.environment
            )
        if wait:
            eventually(lambda: self._told_ready(before), "the service is ready")

    def _told_ready(self, before: int) -> bool:
        assert self._process is not None
        assert self._process.alive(), f"it ended: {self._log.read_text()[before:]}"
        return b"ready http" in self._log.read_bytes()[before:]

    def stop(self) -> None:
        """Stop it in order."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            assert self._process.wait(60) is not None, "it does not stop"

    def apply(self, file: Path = HERE / "automations.yaml") -> None:
        """Apply a file of definitions."""
        subprocess.run(
            [*COMMAND, "apply", "-f", str(file)],
            cwd=self.folder, env=self.environment, check=True, capture_output=True, timeout=60,
        )  # fmt: skip

    def serve(self, *services: str) -> GuardedProcess:
        """Run more of some services beside it, on its store."""
        command = [sys.executable, "-P", "-m", "upshot.services.serving", *services]
        record = DataFolder(self.data_dir).read_record()
        assert record is not None, "the store does not run"
        env = {**self.environment, "UPSHOT_REDIS_URL": record.url}
        with self._log.open("ab") as log:
            return GuardedProcess(command, output=log.fileno(), cwd=self.folder, env=env)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def part(self, name: str) -> int | None:
        """Return the process id of a part, None while it has none."""
        if name == "store":
            record = DataFolder(self.data_dir).read_record()
            return record.server if record is not None else None
        needle = f"upshot.services.serving {name}"
        found = [pid for pid, command in descendants(self.pid).items() if needle in command]
        return min(found) if found else None

    def flows(self) -> list[int]:
        """Return the ids of the flow processes that are amid their flow."""
        folder = self.folder / "running"
        marks = list(folder.iterdir()) if folder.exists() else []
        below = set(descendants(self.pid)) if marks else set()
        return sorted(int(mark.name) for mark in marks if int(mark.name) in below)

    def errand_of(self, pid: int) -> int | None:
        """Return the number of the errand that a flow process is amid, None when it ended."""
        with suppress(FileNotFoundError):
            return int((self.folder / "running" / str(pid)).read_text() or -1)
        return None

    def kill(self, target: str, chance: random.Random) -> list[int]:
        """Kill a target, as it is named on the command line; return what was killed, if it ran."""
        if target == "all":
            return self.kill_all(chance)
        if target == "flow":
            running = self.flows()
            pids = [chance.choice(running)] if running else []
        else:
            pid = self.part(target)
            pids = [pid] if pid is not None else []
        return [pid for pid in pids if killed(pid)]

    def kill_all(self, chance: random.Random) -> list[int]:
        """Kill each process, in whatever order, and wait until none is left."""
        assert self._process is not None
        pids = [self.pid, *descendants(self.pid)]
        chance.shuffle(pids)
        for pid in pids:
            killed(pid)
        self._process.wait()
        eventually(lambda: gone(pids), "all are gone")
        return pids

    def store(self) -> SyncStore:
        """Return a connection to the store, waiting until it answers."""
        opened: list[SyncStore] = []

        def opens() -> bool:
            record = DataFolder(self.data_dir).read_record()
            if record is None:
                return False
            store = SyncStore(record.url)
            with suppress(EventsError):
                store.execute("PING")
                opened.append(store)
            return bool(opened)

        eventually(opens, "the store answers")
        return opened[0]


def killed(pid: int) -> bool:
    """Kill a process; tell whether it was there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
