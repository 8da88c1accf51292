"""A flow that is never through with its transactions, to be killed there and while it is undone."""

from __future__ import annotations

import time
from pathlib import Path

from upshot import Transaction, flow, get_transaction, task, transaction

STEPS = 4


def note(notes: str, what: str) -> None:
    with Path(notes).open("a") as file:
        file.write(f"{what}\n")


@task
def step(notes: str, name: str) -> str:
    inside = get_transaction()
    assert inside is not None
    inside.set("told", [notes, name])
    note(notes, f"do {name}")
    return name


@step.on_rollback
def undo(txn: Transaction) -> None:
    notes, name = txn.get("told")
    note(notes, f"begin {name}")
    time.sleep(0.01)
    note(notes, f"undo {name}")


@flow
def inner(notes: str) -> None:
    with transaction():
        for number in range(STEPS):
            step(notes, f"part-{number}")
        while True:
            time.sleep(1)


@flow
def open_flow(notes: str) -> None:
    with transaction():
        for number in range(STEPS):
            step(notes, f"first-{number}")
        with transaction():
            step.map(notes, [f"mapped-{number}" for number in range(STEPS)]).wait()
            with transaction(commit_mode="EAGER"):
                step(notes, "kept")
        inner(notes)
