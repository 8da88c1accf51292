"""The receiver as tests hold it: start it, stop it, have it misbehave, read what it saw."""

from __future__ import annotations

import json
import socket
import sys
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.waiting import eventually
from upshot.events.processes import GuardedProcess

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@dataclass(frozen=True, slots=True)
class Call:
    """One call that was answered well; ``at`` in Unix seconds."""

    at: float
    key: str
    kind: str
    body: Any


class Receiver:
    """A receiver that always has the same address, whether it runs or not."""

    def __init__(self, folder: Path, name: str = "receiver") -> None:
        self._file = folder / f"{name}.jsonl"
        self._log = folder / f"{name}.log"
        self._port = free_port()
        self._process: GuardedProcess | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self, mode: str = "well") -> None:
        given = (str(self._port), str(self._file), mode)
        command = [sys.executable, "-m", "tests.chaos.receiver", *given]
        with self._log.open("ab") as log:
            self._process = GuardedProcess(command, output=log.fileno(), cwd=ROOT)
        eventually(self._listens, "the receiver listens")

    def stop(self) -> None:
        """End it at once: who calls is refused."""
        if self._process is not None:
            self._process.send_signal(9)
            self._process.wait()

    def mode(self, how: str) -> None:
        request = urllib.request.Request(f"{self.url}/mode", data=how.encode(), method="POST")
        with urllib.request.urlopen(request, timeout=10):
            pass

    def calls(self) -> list[Call]:
        """Return every call that it answered well, in order."""
        if not self._file.exists():
            return []
        lines = self._file.read_text().splitlines()
        return [Call(**json.loads(line)) for line in lines]

    def heard(self) -> int:
        """Return something that grows with each call."""
        return self._file.stat().st_size if self._file.exists() else 0

    def keys(self) -> Counter[str]:
        """Return how often each key was seen."""
        return Counter(call.key for call in self.calls())

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0
