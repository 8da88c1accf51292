"""Flows that wait for somebody, and what tests see of them."""

from __future__ import annotations

from pathlib import Path

from tests.waiting import until
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun

FLOWS = """
import os, time
from pathlib import Path

from pydantic import BaseModel

from upshot.flows import ThreadPoolTaskRunner
from upshot import flow, pause_flow_run, suspend_flow_run, task


def note(path, text):
    with open(path, "a") as file:
        file.write(f"{text} {os.getpid()}\\n")


@task
def step(path: str, number: int) -> int:
    note(path, f"step {number}")
    while number == 1 and not Path(path + ".go").exists():
        time.sleep(0.01)
    return number


@flow
def steps(path: str) -> int:
    return sum(step(path, number) for number in (1, 2, 3))


class Approval(BaseModel):
    ok: bool
    note: str = "none"


@task
def prepare(path: str) -> None:
    note(path, "prepare")


@flow
def approved(path: str, leaves: bool, timeout: float = 3600) -> str:
    prepare(path)
    wait = suspend_flow_run if leaves else pause_flow_run
    approval = wait(Approval, timeout=timeout, description="Ship it?")
    note(path, f"approved {approval.ok}")
    return approval.note


@flow
async def approved_async(path: str, leaves: bool) -> str:
    prepare(path)
    wait = suspend_flow_run if leaves else pause_flow_run
    return (await wait(Approval)).note


@task
def part(path: str) -> None:
    note(path, "part")


@flow
def inner(path: str) -> str:
    part(path)
    while not Path(path + ".go").exists():
        time.sleep(0.01)
    step(path, 2)
    return "inner done"


@flow
def outer(path: str) -> str:
    return inner(path)


@flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
def mapped(path: str) -> int:
    return sum(step.map([path] * 3, [1, 2, 3]).result())
"""


def go_on(path: Path) -> None:
    """Let the first step end."""
    path.with_name(f"{path.name}.go").touch()


async def states(store: Store, run: FlowRun) -> list[str]:
    """Return the states that a run went through, as its events tell."""
    events = await Log(store).range(limit=100_000)
    mine = [event for event in events if event.resource["id"] == f"flow-run.{run.id}"]
    return [event.resource["state"] for event in mine]


async def without_process(store: Store, run: FlowRun) -> None:
    async def there() -> bool:
        return await _lease(store, run) is None

    await until(there, "no lease")


async def until_seen(store: Store, run: FlowRun) -> None:
    """Wait until a run's process has looked at it: it does before each sign of life."""
    for _ in range(2):  # it may have looked already before the next one
        before = await _lease(store, run)

        async def another(before: bytes | None = before) -> bool:
            return await _lease(store, run) != before

        await until(another, "a sign of life")


async def _lease(store: Store, run: FlowRun) -> bytes | None:
    found: bytes | None = await store.execute("ZSCORE", store.keys("leases"), run.id)
    return found
