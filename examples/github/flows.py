"""Reports on GitHub deliveries: looks into each item of a delivery and keeps a row for it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime
from typing import Any

from upshot import flow, get_run_logger, task, unmapped
from upshot.flows import ThreadPoolTaskRunner

Record = dict[str, Any]
Row = tuple[int, str, str, str | None, float | None, int]
"""Position, kind, title, outcome, seconds, and the process that looked into the item."""

_SURROUNDINGS = {"repository", "organization", "sender", "installation"}
_TITLES = ("name", "title", "login", "message", "environment", "ref", "sha", "head_sha", "id")
_OUTCOMES = ("conclusion", "state", "status")
_TABLE = """
CREATE TABLE IF NOT EXISTS items (
    delivery TEXT, event TEXT, position INTEGER, kind TEXT, title TEXT, outcome TEXT,
    seconds REAL, process INTEGER, PRIMARY KEY (delivery, position)
)
"""


class ItemFailed(Exception):
    """What GitHub tells of an item is that it failed, and so does the report on it."""


@flow(name="github-report", task_runner=ThreadPoolTaskRunner(max_workers=2))
def report(
    delivery: str,
    event: str,
    payload: dict[str, Any],
    into: str = "github-report.sqlite",
    pace: float = 0.0,
) -> int:
    """Report on one delivery; return how many rows it has.

    Args:
        delivery: GitHub's id of it; a report has one set of rows for each.
        event: what kind of delivery it is: push, issues, workflow_job, …
        payload: its body.
        into: the SQLite file that takes the rows.
        pace: seconds to take over each item.
    """
    items = items_of(payload)
    get_run_logger().info("process %d: %s, %d items", os.getpid(), event, len(items))
    kinds, records = [kind for kind, _ in items], [record for _, record in items]
    looks = look_into.map(list(range(len(items))), kinds, records, unmapped(pace))
    return keep(into, delivery, event, [look.result() for look in looks])


@task
def look_into(position: int, kind: str, record: Record, pace: float) -> Row:
    """Find out what an item says of itself; one that failed fails the report for good."""
    time.sleep(pace)
    title, outcome = _first(record, _TITLES) or "?", _first(record, _OUTCOMES)
    if outcome == "failure":
        raise ItemFailed(f"{kind} {position} ({title}) ended with a failure")
    return position, kind, title, outcome, seconds_of(record), os.getpid()


@task(retries=3, retry_delay_seconds=0.2)
def keep(into: str, delivery: str, event: str, rows: list[Row]) -> int:
    """Write a delivery's rows; doing it again changes nothing, so it may be retried anywhere."""
    with closing(sqlite3.connect(into, timeout=30)) as database, database:
        database.execute(_TABLE)
        database.execute("DELETE FROM items WHERE delivery = ?", (delivery,))
        marked = [(delivery, event, *row) for row in rows]
        database.executemany(f"INSERT INTO items VALUES ({', '.join('?' * 8)})", marked)
    return len(rows)


def items_of(payload: Mapping[str, Any]) -> list[tuple[str, Record]]:
    """Return what a delivery is about, each with the key that GitHub keeps it under.

    That is what its objects list (the steps of a job, the commits of a push); if they list
    nothing, the objects themselves; and if there is nothing but the repository, that.
    """
    subjects = {key: value for key, value in payload.items() if key not in _SURROUNDINGS}
    return list(_listed(subjects)) or list(_objects(subjects)) or list(_objects(payload))


def _objects(records: Mapping[str, Any]) -> Iterator[tuple[str, Record]]:
    return ((key, value) for key, value in records.items() if isinstance(value, dict))


def _listed(subjects: Mapping[str, Any]) -> Iterator[tuple[str, Record]]:
    for holder in (subjects, *(record for _, record in _objects(subjects))):
        for key, value in holder.items():
            if isinstance(value, list):
                yield from ((key, record) for record in value if isinstance(record, dict))


def _first(record: Record, keys: tuple[str, ...]) -> str | None:
    """Return the first of these fields that says something, in one line."""
    found = (str(record[key]).splitlines()[0] for key in keys if record.get(key))
    return next(found, None)


def seconds_of(record: Record) -> float | None:
    """Return how long a record took, where it has a start and an end."""
    start, end = record.get("started_at"), record.get("completed_at")
    if not (start and end):
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
