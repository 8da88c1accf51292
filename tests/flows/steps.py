"""Tasks that tell what is done, undone and committed, for tests of transactions."""

from __future__ import annotations

from typing import Any

from upshot import get_transaction, task
from upshot.flows.transactions.transaction import Transaction


class Steps:
    """Tasks that tell when they are done, undone and committed."""

    def __init__(self, told: list[Any]) -> None:
        @task
        def step(name: str) -> str:
            told.append(name)
            inside = get_transaction()
            if inside is not None:
                inside.set("name", name)
            return name.upper()

        @step.on_rollback
        def undo(txn: Transaction) -> None:
            told.append(f"undo {txn.get('name')}")

        @step.on_commit
        def done(txn: Transaction) -> None:
            told.append(f"commit {txn.get('name')}")

        @task
        def fails() -> None:
            raise ValueError("no")

        self.step, self.fails = step, fails
