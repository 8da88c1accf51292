"""Flows that wait for people, events, messages and slots while everything is killed again."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

from upshot.services.client import Client
from upshot.services.exceptions import RequestRefused, ServicesError

from .service import Service, descendants

KILLS: Final = 12
RUNS: Final = 6
PATIENCE: Final = 180.0
VICTIMS: Final = ("valkey-server", "worker", "engine", "flow process")
FLOWS = """
from pathlib import Path

from upshot import (
    concurrency, flow, receive_input, runtime, send_input, suspend_flow_run, task, wait_for_event,
)


@task(tags=["rare"])
def step(folder: str, run: int, name: str) -> str:
    with (Path(folder) / f"{run}.done").open("a") as file:
        file.write(f"{name}\\n")
    return name


@flow
def errand(folder: str, run: int) -> str:
    done = [step(folder, run, "begin")]
    done.append(str(suspend_flow_run(int, timeout=None)))
    with concurrency("few"):
        done += step.map(folder, run, ["a", "b", "c"]).result()
    for number in range(2):
        send_input(f"note {number}", runtime.flow_run.id)
    notes = receive_input(str, timeout=None, stay=0.2)
    done += [notes.next() for _ in range(2)]
    event = wait_for_event("thing.came", match={"run": str(run)}, stay=0.2)
    done.append(event.payload["what"])
    done.append(step(folder, run, "end"))
    return " ".join(done)
"""
DEFINITIONS = """
deployments:
  - {name: errand/one, entrypoint: "made.py:errand", concurrency_limit: 3}
limits:
  - {name: few, limit: 1}
  - {name: "tag:rare", limit: 2}
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    running = Service(tmp_path, UPSHOT_LEASE="1")
    (tmp_path / "made.py").write_text(FLOWS)
    (tmp_path / "upshot.yaml").write_text(DEFINITIONS)
    try:
        running.start()
        done = running.run("apply", "-f", "upshot.yaml")
        assert done.returncode == 0, done.stderr
        yield running
    finally:
        running.stop()


def kill_somebody(service: Service) -> bool:
    """Kill a part of the service, or a process below its worker; tell whether one was there."""
    victim = random.choice(VICTIMS)
    if victim == "flow process":
        worker = service.child("worker")
        below = sorted(descendants(worker)) if worker else []
        pid = random.choice(below) if below else None
    else:
        pid = service.child(victim)
    with suppress(ProcessLookupError):
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            return True
    return False


def look_after(client: Client, runs: dict[str, int]) -> list[dict[str, Any]]:
    """Answer whoever asks, send what is awaited, retry what crashed; return the runs."""
    found = [client.get(f"/runs/{run_id}") for run_id in runs]
    for run in found:
        pause, number = run["pause"], runs[run["id"]]
        with suppress(RequestRefused):  # it went on in this moment
            if run["state"]["name"] in {"Crashed", "Failed", "TimedOut"}:
                client.post(f"/runs/{run['id']}/retry")
            elif pause and pause["awaits"]:
                client.post("/events", event(number))
            elif pause:
                client.post(f"/runs/{run['id']}/resume", {"input": number})
    return found


def event(number: int) -> dict[str, Any]:
    resource = {"id": "thing", "run": str(number)}
    return {"event": "thing.came", "resource": resource, "payload": {"what": f"thing {number}"}}


def test_each_run_ends_as_if_nothing_had_been_killed(service: Service, tmp_path: Path) -> None:
    client = Client(service.url)
    runs = {}
    for number in range(RUNS):
        body = {"deployment": "errand/one", "parameters": {"folder": str(tmp_path), "run": number}}
        runs[client.post("/runs", body)["id"]] = number
    found: list[dict[str, Any]] = []
    kills, deadline = 0, time.monotonic() + PATIENCE
    while not found or any(run["state"]["name"] != "Completed" for run in found):
        assert time.monotonic() < deadline, [run["state"] for run in found]
        kills += kills < KILLS and kill_somebody(service)
        with suppress(ServicesError):
            found = look_after(client, runs)
        time.sleep(random.uniform(0.05, 0.3))
    for run in found:
        number = runs[run["id"]]
        assert run["result"] == f"begin {number} a b c note 0 note 1 thing {number} end"
    assert len(client.items("/events", {"event": "run-input.sent"})) == 2 * RUNS
    (left,) = {each["used"] + each["waiting"] for each in client.get("/limits-in-use")["items"]}
    assert left == 0
