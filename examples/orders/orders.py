"""Fulfils orders: reserves, charges and ships in one transaction; asks a person when it is much.

The shop is an SQLite file. Each step is noted in its ledger together with what it does, so that
doing it again, or undoing what was never done, changes nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypedDict

from pydantic import BaseModel, Field

from upshot import Transaction, flow, get_transaction, runtime, suspend_flow_run, task, transaction

ORDERS = Path(__file__).parent / "orders.json"
PRICES = {"lamp": 39.50, "desk": 320.00, "chair": 89.00}
STOCK = {"lamp": 20, "desk": 9, "chair": 12}
_TABLES = """
CREATE TABLE IF NOT EXISTS stock (article TEXT PRIMARY KEY, pieces INTEGER CHECK (pieces >= 0));
CREATE TABLE IF NOT EXISTS ledger (
    place INTEGER PRIMARY KEY, run TEXT, number TEXT, step TEXT, stands INTEGER,
    UNIQUE (run, step, stands)
);
"""


class Approval(BaseModel):
    """What the person who is asked says."""

    approve: bool
    note: str = Field(default="", max_length=500)


class Order(TypedDict):
    """An order as it came in: who wants how many pieces of which articles."""

    customer: str
    lines: dict[str, int]


class Rejected(Exception):
    """Somebody did not want the order to be shipped."""


@flow(name="orders", log_prints=True)
def fulfil(order: str, approve_above: float = 1000.0, shop: str = "shop.sqlite") -> str:
    """Fulfil one order; return how it was shipped.

    Args:
        order: its number in orders.json.
        approve_above: an order of more than this is shipped only if a person says so.
        shop: the SQLite file with the stock and the ledger.
    """
    wanted = look_up(order)
    total = price(wanted["lines"])
    with transaction(key=f"order {order}"):  # what was shipped is not shipped again
        reserve(shop, order, wanted["lines"])
        charge(shop, order, wanted["customer"], total)
        if total > approve_above:
            approval = suspend_flow_run(
                Approval,
                timeout=None,  # an automation answers when no person does
                key="approval",
                description=f"Ship order {order} of {wanted['customer']} for {total:.2f}?",
            )
            if not approval.approve:
                raise Rejected(approval.note or "no reason given")
        return ship(shop, order, wanted["customer"])


@task
def look_up(order: str) -> Order:
    """Find an order; one that is not there fails the run before anything was done."""
    orders: dict[str, Order] = json.loads(ORDERS.read_text(encoding="utf-8"))
    return orders[order]


@task
def price(lines: dict[str, int]) -> float:
    return sum(PRICES[article] * pieces for article, pieces in lines.items())


@task
def reserve(shop: str, order: str, lines: dict[str, int]) -> None:
    """Take the pieces out of the stock; where they do not suffice, none is taken."""
    _undo_later(shop, order, lines)
    with _step(shop, order, "reserved") as database:
        _move(database, lines, -1)


@reserve.on_rollback
def put_back(txn: Transaction) -> None:
    shop, run, order, lines = txn.get("undo")
    with _undone(shop, run, order, "reserved", "put back") as database:
        _move(database, lines, 1)


@task(retries=2, retry_delay_seconds=0.5)
def charge(shop: str, order: str, customer: str, amount: float) -> None:
    _undo_later(shop, order, [customer, amount])
    with _step(shop, order, "charged") as database:
        if database:  # here a payment provider would be called, with the run's id as the key
            print(f"{customer} pays {amount:.2f}")


@charge.on_rollback
def refund(txn: Transaction) -> None:
    shop, run, order, (customer, amount) = txn.get("undo")
    with _undone(shop, run, order, "charged", "refunded") as database:
        if database:
            print(f"{customer} gets {amount:.2f} back")


@task
def ship(shop: str, order: str, customer: str) -> str:
    with _step(shop, order, "shipped"):
        return f"{order} is on its way to {customer}"


def _undo_later(shop: str, order: str, what: Any) -> None:
    """Keep what a rollback needs before anything is done: it survives a crash with the run."""
    if (txn := get_transaction()) is not None:
        txn.set("undo", [shop, runtime.flow_run.id, order, what])


def _move(database: sqlite3.Connection | None, lines: dict[str, int], sign: int) -> None:
    if database:
        move = "UPDATE stock SET pieces = pieces + ? WHERE article = ?"
        database.executemany(move, [(sign * pieces, article) for article, pieces in lines.items()])


@contextmanager
def _step(shop: str, order: str, step: str) -> Iterator[sqlite3.Connection | None]:
    """Note a step of this run with what is done in the block; None where it was done before."""
    with _opened(shop) as database:
        note = "INSERT OR IGNORE INTO ledger (run, number, step, stands) VALUES (?, ?, ?, 1)"
        done = database.execute(note, (runtime.flow_run.id, order, step)).rowcount
        yield database if done else None


@contextmanager
def _undone(
    shop: str, run: str, order: str, step: str, undo: str
) -> Iterator[sqlite3.Connection | None]:
    """Note that a step is undone with what is done in the block; None where it does not stand."""
    with _opened(shop) as database:
        fall = "UPDATE ledger SET stands = NULL WHERE run = ? AND step = ? AND stands"
        undone = database.execute(fall, (run, step)).rowcount
        if undone:
            note = "INSERT INTO ledger (run, number, step) VALUES (?, ?, ?)"
            database.execute(note, (run, order, undo))
        yield database if undone else None


@contextmanager
def _opened(shop: str) -> Iterator[sqlite3.Connection]:
    """Open the shop, new where it is not there; what the block does is kept whole or not at all."""
    with closing(sqlite3.connect(shop, timeout=30, isolation_level=None)) as database:
        database.executescript(_TABLES)
        database.execute("BEGIN IMMEDIATE")
        with database:
            fill = "INSERT OR IGNORE INTO stock VALUES (?, ?)"
            database.executemany(fill, STOCK.items())
            yield database


if __name__ == "__main__":
    print(fulfil("A-1001"))
