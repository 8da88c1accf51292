"""What the supervisor keeps alive: the embedded store, and services in processes of their own."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import disk_usage
from typing import Final, Protocol

from upshot.events.embedded import EmbeddedStore
from upshot.events.processes import GuardedProcess

SERVING: Final = "upshot.services.serving"
_STDERR: Final = 2
_LITTLE_SPACE: Final = 16 * 1024 * 1024  # bytes; the store's next write may be larger than this


class Part(Protocol):
    """Something that runs until it ends or is stopped, and can be started again."""

    name: str

    def start(self) -> None:
        """Start it; raise EventsError or OSError when that fails."""

    def wait(self) -> int | None:
        """Wait for its end; return its exit code, minus the signal's number when one killed it."""

    def stop(self, *, at_once: bool = False) -> None:
        """Ask it to end and wait for that, killing it when it takes too long or ``at_once``."""

    def kill(self) -> None:
        """End it at once, without waiting for that."""

    def hint(self) -> str:
        """Say what outside of it may be the cause of its end, or nothing."""
        ...


@dataclass
class Service:
    """Services that share one process.

    Attributes:
        name: what people call it. services: what runs in it.
        options: further arguments. pass_fds: descriptors it inherits.
        grace: seconds it may take to end.
    """

    name: str
    services: Sequence[str]
    options: Sequence[str] = ()
    pass_fds: Sequence[int] = ()
    grace: float = 15.0
    _process: GuardedProcess | None = field(default=None, init=False, repr=False)

    def start(self) -> None:
        # -P: what lies in the folder we were started from must not be imported for ours.
        command = [sys.executable, "-P", "-m", SERVING, *self.services, *self.options]
        self._process = GuardedProcess(command, output=_STDERR, pass_fds=self.pass_fds)

    def wait(self) -> int | None:
        return self._process.wait() if self._process is not None else None

    def stop(self, *, at_once: bool = False) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGKILL if at_once else signal.SIGTERM)
        if self._process.wait(self.grace) is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)

    def hint(self) -> str:
        return ""


@dataclass
class Store:
    """The embedded store; the children learn its address from the environment.

    Attributes:
        moved: called when a restart gave it another address, as it may where paths are long.
    """

    embedded: EmbeddedStore
    data_dir: Path
    moved: Callable[[], None]
    name: str = "store"
    _url: str = field(default="", init=False)

    def start(self) -> None:
        self.embedded.start()
        before, self._url = self._url, self.embedded.url
        os.environ["UPSHOT_REDIS_URL"] = self._url
        if before not in ("", self._url):
            self.moved()

    def wait(self) -> int | None:
        return self.embedded.wait()

    def stop(self, *, at_once: bool = False) -> None:
        self.embedded.stop(timeout=0 if at_once else 10)

    def kill(self) -> None:
        pid = self.embedded.pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    def hint(self) -> str:
        free = disk_usage(self.data_dir).free
        if free > _LITTLE_SPACE:
            return ""
        return f"the disk is full: {free:,} bytes are left for {self.data_dir}; make room"
