"""Flows whose steps tell what they do and undo, and can be killed at any of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.runs.registry import Runs
from upshot.services.endings import Loss, settle

from .conftest import Processes

STEPS = """
import os, signal, time
from pathlib import Path
from upshot import flow, get_transaction, suspend_flow_run, task, transaction
here = Path(__file__).parent

def note(word):
    with open(here / "told", "a") as file:
        file.write(word + "\\n")

def die_at(where):
    if (here / f"die-{where}").exists():
        (here / f"die-{where}").unlink()
        time.sleep(0.1)  # for what was done to be written
        os.kill(os.getpid(), signal.SIGKILL)

@task
def step(name):
    get_transaction().set("name", name)
    note(name)
"""

HOOKS = """
@step.on_rollback
def undo(txn):
    die_at(f"before-{txn.get('name')}")
    note(f"undo {txn.get('name')} of {txn.get('order', 'none')}")
    die_at(f"after-{txn.get('name')}")

@task
def outer(name):
    get_transaction().set("name", name)
    step.with_options(name="inner")(f"{name}.inner")
    note(name)

@outer.on_rollback
def undo(txn):
    note(f"undo outer {txn.get('name')}")

def undo_block(txn):
    note(f"undo block {txn.get('order')}")

def wait():
    die_at("in")
    suspend_flow_run()
"""

ORDER = (
    STEPS
    + HOOKS
    + """
@flow
def f():
    step("before")
    with transaction(on_rollback=[undo_block]) as txn:
        txn.set("order", 7)
        step("a")
        with transaction() as inner:
            outer("b")
            with transaction(commit_mode="EAGER"):
                step("kept")
        step("c")
        wait()
        step("never")
    return "done"
"""
)

UNDONE = [
    "undo block 7", "undo c of 7", "undo outer b", "undo b.inner of 7", "undo a of 7",
]  # fmt: skip


def lines(folder: Path) -> list[str]:
    return (folder / "told").read_text().split("\n")[:-1]


def act(processes: Processes, what: Callable[[Runs, Store], Awaitable[Any]]) -> Any:
    """Do something as a service does it."""

    async def acting() -> Any:
        store = Store(processes.seen.store.url)
        try:
            return await what(Runs(store), store)
        finally:
            await store.close()

    return asyncio.run(acting())


def cancel(processes: Processes, run: FlowRun) -> FlowRun:
    cancelled: FlowRun = act(processes, lambda runs, _: runs.cancel(run.id, "by hand"))
    return cancelled


def end_of(processes: Processes, run: FlowRun, code: int) -> FlowRun:
    """Tell of the end of a run's process as a worker does."""
    loss = f"its process ended with {code}"
    epoch = processes.seen.run(run.id).epoch
    act(processes, lambda runs, store: settle(store, runs, run.id, epoch, Loss.ENDED, loss))
    return processes.seen.run(run.id)


def is_open(processes: Processes) -> bool:
    return bool(processes.seen.store.execute("EXISTS", processes.seen.store.keys("open")))
