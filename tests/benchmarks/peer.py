"""The same tasks with Prefect, in an environment of its own, where that can be installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

_ROOT: Final = Path(__file__).parents[2]
_FOLDER: Final = _ROOT / ".cache" / "prefect"
_WANTED: Final = ("prefect==3.8.8", "fastapi>=0.139,<0.150")  # it does not start with later ones
_INSTALL_SECONDS: Final = 900
_RUN_SECONDS: Final = 300
_SETTINGS: Final = {
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "DO_NOT_TRACK": "1",
}

_PROGRAM: Final = """
import json, sys, time
from statistics import median
from prefect import flow, get_client, task

@task
def nothing(number):
    return number

@flow
def fan_out(count):
    return len([future.result() for future in nothing.map(range(count))])

@flow
def one_by_one(count):
    seconds = []
    for number in range(count):
        began = time.perf_counter()
        nothing(number)
        seconds.append(time.perf_counter() - began)
    return median(seconds)

def completed(client):
    wanted = {"task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    return client.request("POST", "/task_runs/count", json=wanted).json()

count, calls = map(int, sys.argv[1:])
with get_client(sync_client=True) as client:
    fan_out(1)  # its server starts
    time.sleep(3)
    before, began = completed(client), time.perf_counter()
    fan_out(count)
    known, changed = 0, time.perf_counter()
    while known < count and time.perf_counter() - changed < 20:
        now = completed(client) - before
        known, changed = now, (time.perf_counter() if now > known else changed)
        time.sleep(0.05)
    print(json.dumps({"rate": known / (changed - began), "known": known, "count": count,
                      "overhead_ms": one_by_one(calls) * 1000}))
"""


class NotToBeHad(Exception):
    """Prefect can't be measured here; the message says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """What Prefect did on this machine, with the server and the database that it starts itself.

    Attributes:
        rate: mapped tasks a second, Completed and known to its API.
        known: how many of ``count`` were, in the end.
        overhead_ms: what one task takes that is called in the flow, the median.
    """

    rate: float
    known: int
    count: int
    overhead_ms: float

    @property
    def name(self) -> str:
        return _WANTED[0].replace("==", " ").capitalize()


def measure(count: int, calls: int, *, install: bool) -> Peer:
    """Run as many mapped tasks, and as many calls one after the other.

    Args:
        install: install it where it is not; that takes minutes and a package index.

    Raises:
        NotToBeHad: it is not there, can't be installed, or does not work.
    """
    if not _is_installed():
        if not install:
            raise NotToBeHad("not installed; a full run installs it")
        _install()
    python = str(_FOLDER / "bin" / "python")
    with tempfile.TemporaryDirectory(prefix="upshot-bench-peer-") as home:
        environment = {**os.environ, **_SETTINGS, "PREFECT_HOME": home}
        told = _run([python, "-c", _PROGRAM, str(count), str(calls)], _RUN_SECONDS, environment)
    return TypeAdapter(Peer).validate_json(told.strip().rpartition("\n")[2])


def _is_installed() -> bool:
    stamp = _FOLDER / "installed"
    return stamp.exists() and stamp.read_text() == "\n".join(_WANTED)


def _install() -> None:
    print(f"installing {_WANTED[0]} into {_FOLDER}", flush=True)
    _run([sys.executable, "-m", "venv", "--clear", str(_FOLDER)], _INSTALL_SECONDS)
    pip = [str(_FOLDER / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    _run([*pip, "install", "-q", *_WANTED], _INSTALL_SECONDS)
    (_FOLDER / "installed").write_text("\n".join(_WANTED))


def _run(command: list[str], seconds: float, environment: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            command, timeout=seconds, env=environment, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotToBeHad(f"it took more than {seconds:.0f} s") from None
    if done.returncode:
        raise NotToBeHad(done.stderr.strip().rpartition("\n")[2][:200])
    return done.stdout
