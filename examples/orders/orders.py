"""Fulfils orders: reserves, charges and ships in one transaction; asks a person when it is much.

The shop is an SQLite file. Each step is noted in its ledger together with what it does, so that
doing it again, or undoing what was never done, changes nothing.

The orders in ``orders.csv`` are the invoices 536365, 536366 and 536386 of "Online Retail" (D. Chen,
UCI Machine Learning Repository, https://doi.org/10.24432/C5BW33, CC BY 4.0), the times written
anew. How many pieces there are is not among that data: ``STOCK`` is made up.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypedDict

from pydantic import BaseModel, Field

from upshot import Transaction, flow, get_transaction, runtime, suspend_flow_run, task, transaction

ORDERS = Path(__file__).parent / "orders.csv"
STOCK = {
    "21730": 60,
    "22632": 60,
    "22633": 4,  # hand warmers with a Union Jack: too few for 536366
    "22752": 20,
    "71053": 60,
    "84029E": 60,
    "84029G": 60,
    "84406B": 80,
    "84880": 360,
    "85099B": 1000,
    "85099C": 1000,
    "85123A": 60,
}
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
    """An order as it came in: who wants how many pieces of which articles, for how much in all."""

    customer: str
    pieces: dict[str, int]
    total: float


class Rejected(Exception):
    """Somebody did not want the order to be shipped."""


@flow(name="orders", log_prints=True)
def fulfil(order: int, approve_above: float = 500.0, shop: str = "shop.sqlite") -> str:
    """Fulfil one order; return how it was shipped.

    Args:
        order: its number in orders.csv.
        approve_above: an order of more pounds than this is shipped only if a person says so.
        shop: the SQLite file with the stock and the ledger.
    """
    wanted = look_up(order)
    customer, total = wanted["customer"], wanted["total"]
    with transaction(key=f"order {order}"):  # what was shipped is not shipped again
        reserve(shop, order, wanted["pieces"])
        charge(shop, order, customer, total)
        if total > approve_above:
            approval = suspend_flow_run(
                Approval,
                timeout=None,  # an automation answers when no person does
                key="approval",
                description=f"Ship order {order} of customer {customer} for £{total:.2f}?",
            )
            if not approval.approve:
                raise Rejected(approval.note or "no reason given")
        return ship(shop, order, customer)


@task
def look_up(order: int) -> Order:
    """Find an order; one that is not there fails the run before anything was done."""
    with ORDERS.open(encoding="utf-8", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["InvoiceNo"] == str(order)]
    if not lines:
        raise LookupError(f"there is no order {order} in {ORDERS.name}")
    return Order(
        customer=lines[0]["CustomerID"],
        pieces={line["StockCode"]: int(line["Quantity"]) for line in lines},
        total=round(sum(int(line["Quantity"]) * float(line["UnitPrice"]) for line in lines), 2),
    )


@task
def reserve(shop: str, order: int, pieces: dict[str, int]) -> None:
    """Take the pieces out of the stock; where they do not suffice, none is taken."""
    _undo_later(shop, order, pieces)
    with _step(shop, order, "reserved") as database:
        _move(database, pieces, -1)


@reserve.on_rollback
def put_back(txn: Transaction) -> None:
    shop, run, order, pieces = txn.get("undo")
    with _undone(shop, run, order, "reserved", "put back") as database:
        _move(database, pieces, 1)


@task(retries=2, retry_delay_seconds=0.5)
def charge(shop: str, order: int, customer: str, amount: float) -> None:
    _undo_later(shop, order, [customer, amount])
    with _step(shop, order, "charged") as database:
        if database:  # here a payment provider would be called, with the run's id as the key
            print(f"customer {customer} pays £{amount:.2f}")


@charge.on_rollback
def refund(txn: Transaction) -> None:
    shop, run, order, (customer, amount) = txn.get("undo")
    with _undone(shop, run, order, "charged", "refunded") as database:
        if database:
            print(f"customer {customer} gets £{amount:.2f} back")


@task
def ship(shop: str, order: int, customer: str) -> str:
    with _step(shop, order, "shipped"):
        return f"{order} is on its way to customer {customer}"


def _undo_later(shop: str, order: int, what: Any) -> None:
    """Keep what a rollback needs before anything is done: it survives a crash with the run."""
    if (txn := get_transaction()) is not None:
        txn.set("undo", [shop, runtime.flow_run.id, order, what])


def _move(database: sqlite3.Connection | None, pieces: dict[str, int], sign: int) -> None:
    if database:
        move = "UPDATE stock SET pieces = pieces + ? WHERE article = ?"
        database.executemany(move, [(sign * count, each) for each, count in pieces.items()])


@contextmanager
def _step(shop: str, order: int, step: str) -> Iterator[sqlite3.Connection | None]:
    """Note a step of this run with what is done in the block; None where it was done before."""
    with _opened(shop) as database:
        note = "INSERT OR IGNORE INTO ledger (run, number, step, stands) VALUES (?, ?, ?, 1)"
        done = database.execute(note, (runtime.flow_run.id, order, step)).rowcount
        yield database if done else None


@contextmanager
def _undone(
    shop: str, run: str, order: int, step: str, undo: str
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
    print(fulfil(536365))
