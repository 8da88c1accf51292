"""The flow that is killed: a map with retries, cached tasks under locks, and two transactions.

Each body writes a line when it is through, so that it can be counted how often it ran.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from upshot import INPUTS, Transaction, flow, get_transaction, task, transaction

ITEMS = 500
SHARED = 25
STEPS = 8


def folder() -> Path:
    return Path(os.environ["UPSHOT_DATA_DIR"]).parent


def note(kind: str, what: object) -> None:
    """Append a line in one write."""
    line = f"{kind} {what}\n".encode()
    file = os.open(folder() / "notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line)
    finally:
        os.close(file)


@task(retries=2, retry_delay_seconds=0.01)
def item(run: str, number: int) -> int:
    marker = folder() / f"{run}-{number}.failed"
    if number % 50 == 7 and not marker.exists():
        marker.touch()
        raise ValueError("the first time it fails")
    time.sleep(0.002)
    note("item", f"{run}-{number}")
    return number * number


@task(cache_policy=INPUTS.configure(isolation_level="SERIALIZABLE"))
def shared(group: int, number: int) -> int:
    time.sleep(0.005)
    note("shared", f"{group}-{number}")
    return number


@task
def step(run: str, block: str, number: int) -> int:
    inside = get_transaction()
    assert inside is not None
    # A block that was undone may be entered anew; then these are other task runs.
    inside.set("name", f"{run}-{block}-{number}-{inside.identity[:8]}")
    time.sleep(0.005)
    note("step", inside.get("name"))
    return number


@step.on_rollback
def undo(inside: Transaction) -> None:
    time.sleep(0.005)
    note("undo", inside.get("name"))


@step.on_commit
def done(inside: Transaction) -> None:
    time.sleep(0.005)
    note("commit", inside.get("name"))


@flow
def long_flow(run: str, group: int) -> list[int]:
    items = item.map(run, range(ITEMS)).result()
    found = shared.map(group, [number % SHARED for number in range(2 * SHARED)]).result()
    with transaction(key=f"kept {run}", isolation_level="SERIALIZABLE"):
        kept = [step(run, "kept", number) for number in range(STEPS)]
    try:
        with transaction():
            for number in range(STEPS):
                step(run, "undone", number)
            raise LookupError("this block is always undone")
    except Exception:  # noqa: BLE001 - after a crash on the way back another error says so
        note("caught", run)
    return [sum(items), sum(found), sum(kept)]


EXPECTED = [
    sum(number * number for number in range(ITEMS)),
    2 * sum(range(SHARED)),
    sum(range(STEPS)),
]
