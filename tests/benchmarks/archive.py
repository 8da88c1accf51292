"""The archive: the log into SQLite by the archiver, and back out of it, next to bare SQLite."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from statistics import median
from typing import Any, Final

from upshot.events.event import Event
from upshot.events.log import BATCH, Log
from upshot.events.store import Store
from upshot.services.history import events
from upshot.services.history.address import SQLITE
from upshot.services.history.archive import Archive

from .figures import Bare, Benchmark, Figure
from .sample import chunks, order_event
from .stage import Stage, until

_GOAL: Final = 20_000
_ROUNDS: Final = 3
_LOOK: Final = 0.1  # seconds
_COMMIT: Final = 5_000
_CUSTOMERS: Final = 5_000


def run(quick: bool) -> list[Figure]:
    """Archive a log that is there, then read it from the archive alone."""
    count = 20_000 if quick else 100_000
    rounds = [_round(count) for _ in range(1 if quick else _ROUNDS)]
    written, read, bare, bare_read = (median(column) for column in zip(*rounds, strict=True))
    return [
        Figure(
            "log to SQLite, archived and synced", written, "events/s", _GOAL,
            bare=Bare("sqlite3 executemany, one index", bare),
            detail="by the service's own process, with four indexes; the store runs beside it",
        ),
        Figure(
            "read back, oldest first", read, "events/s",
            bare=Bare("sqlite3 SELECT, not parsed", bare_read),
            detail="as a backtest reads: events from JSON, in batches, across the seam",
        ),
    ]  # fmt: skip


def _round(count: int) -> tuple[float, float, float, float]:
    with Stage() as stage:
        stage.asked(lambda store: _fill(store, count))
        written = _archived(stage, count)
        read = stage.asked(lambda store: _read_back(store, stage.folder / "data"))
        bare, bare_read = _bare(stage.folder / "bare.db", count)
    return written, read, bare, bare_read


async def _fill(store: Store, count: int) -> None:
    log = Log(store)
    customers = (f"customer.{number % _CUSTOMERS}" for number in range(count))
    made = [order_event(number, customer=each) for number, each in enumerate(customers)]
    for batch in chunks(made, BATCH):
        await log.append(map(Event.model_validate, batch))


def _archived(stage: Stage, count: int) -> float:
    """Return events a second from the first commit to the last: the start is not counted."""
    archiver = stage.serve("archiver")
    until(lambda: _total(stage) > 0, "the archiver works")
    first, began = _total(stage), time.perf_counter()
    until(lambda: _total(stage) == count, "the archiver has the whole log", _LOOK)
    rate = (count - first) / (time.perf_counter() - began)
    archiver.send_signal(15)
    archiver.wait()
    return rate


def _total(stage: Stage) -> int:
    key = "read:archiver"
    told: Any = stage.asked(lambda store: store.execute("HGET", store.keys("counters"), key))
    return int(told or 0)


async def _read_back(store: Store, folder: Path) -> float:
    await store.execute("XTRIM", store.keys("log"), "MAXLEN", 0)
    archive, read = Archive(store, f"{SQLITE}{folder / 'history.db'}"), 0
    await archive.reader()
    began = time.perf_counter()
    async for batch in events.oldest_first(store, archive):
        read += len(batch)
    rate = read / (time.perf_counter() - began)
    await archive.close()
    return rate


def _bare(path: Path, count: int) -> tuple[float, float]:
    """Return rows a second that SQLite takes and gives without anything around it."""
    body = Event.model_validate(order_event(1)).to_json().decode()
    rows = [(number, 0, body) for number in range(count)]
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE events (received, seq, body, PRIMARY KEY (received, seq))")
    began = time.perf_counter()
    for batch in chunks(rows, _COMMIT):
        with database:
            database.executemany("INSERT INTO events VALUES (?, ?, ?)", batch)
    written = count / (time.perf_counter() - began)
    began = time.perf_counter()
    database.execute("SELECT * FROM events ORDER BY received, seq").fetchall()
    read = count / (time.perf_counter() - began)
    database.close()
    return written, read


BENCHMARK: Final = Benchmark(
    "archive",
    "the log into the database, and back",
    f"at least {_GOAL:,} events/s into SQLite",
    run,
)
