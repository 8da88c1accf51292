"""Writes a stretch of the log into the database, together with how far the log is read then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import and_, delete, exists, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from upshot.events.log import START, order

from ..exceptions import HistoryMoved
from . import bulk
from .database import Database
from .looking_up import Changed
from .projection import Stretch
from .tables import cursors, events, firings, flow_runs, task_runs

_CONSUMER: Final = "archiver"


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the log is read.

    Attributes:
        position: of the last event in the database. total: how many were read in all.
    """

    position: str
    total: int


async def read_cursor(database: Database, before: int) -> Cursor:
    """Return how far the log is read.

    Args:
        before: events that were in the log once and are gone; a new database never has them.
    """
    async with database.transaction() as connection:
        found = (await connection.execute(select(cursors))).first()
        if found is not None:
            return Cursor(f"{found.received}-{found.seq}", found.total)
        first = insert(cursors).values(consumer=_CONSUMER, received=0, seq=0, total=before)
        await connection.execute(first)
    return Cursor(START, before)


async def commit(database: Database, cursor: Cursor, stretch: Stretch, changed: Changed) -> Cursor:
    """Write a stretch that begins behind ``cursor``; return the cursor behind it.

    Raises:
        HistoryMoved: somebody else has written meanwhile; nothing was written.
        HistoryUnavailable: it is not known whether it was written; read the cursor again.
    """
    after = Cursor(stretch.cursor, cursor.total + len(stretch.events))
    async with database.transaction() as connection:
        await _move(connection, cursor, after)
        await bulk.insert(connection, events, stretch.events)
        for table, rows in (
            (flow_runs, changed.flow_runs),
            (task_runs, changed.task_runs),
            (firings, changed.firings),
        ):
            await bulk.insert(connection, table, rows, replace=True)
    return after


async def _move(connection: AsyncConnection, before: Cursor, after: Cursor) -> None:
    was, now = order(before.position), order(after.position)
    moved = await connection.execute(
        update(cursors)
        .where(cursors.c.consumer == _CONSUMER, tuple_(cursors.c.received, cursors.c.seq) == was)
        .values(received=now[0], seq=now[1], total=after.total)
    )
    if moved.rowcount != 1:
        raise HistoryMoved(f"the database is not at {before.position} any more")


async def forget(database: Database, before: int, limit: int) -> int:
    """Drop the oldest rows from before a time (Unix ms), a few of each table; return how many."""
    async with database.transaction() as connection:
        return (
            await _forget_events(connection, before, limit)
            + await _forget_runs(connection, before, limit)
            + await _forget_firings(connection, before, limit)
        )


async def _forget_events(connection: AsyncConnection, before: int, limit: int) -> int:
    place = tuple_(events.c.received, events.c.seq)
    old = select(events.c.received, events.c.seq).where(events.c.received < before)
    old = old.order_by(events.c.received, events.c.seq).limit(limit)
    return (await connection.execute(delete(events).where(place.in_(old)))).rowcount


async def _forget_runs(connection: AsyncConnection, before: int, limit: int) -> int:
    """Drop ended runs, each once its task runs are gone: a run may have very many."""
    runs = select(flow_runs.c.id).where(and_(flow_runs.c.changed < before, flow_runs.c.ended))
    old = list(await connection.scalars(runs.order_by(flow_runs.c.changed).limit(limit)))
    if not old:
        return 0
    key = tuple_(task_runs.c.flow_run, task_runs.c.id)
    some = select(task_runs.c.flow_run, task_runs.c.id).where(task_runs.c.flow_run.in_(old))
    tasks = await connection.execute(delete(task_runs).where(key.in_(some.limit(limit))))
    return tasks.rowcount + await _forget_childless(connection, old)


async def _forget_childless(connection: AsyncConnection, runs: Sequence[str]) -> int:
    has_tasks = exists().where(task_runs.c.flow_run == flow_runs.c.id)
    childless = delete(flow_runs).where(flow_runs.c.id.in_(runs), ~has_tasks)
    return (await connection.execute(childless)).rowcount


async def _forget_firings(connection: AsyncConnection, before: int, limit: int) -> int:
    old = select(firings.c.id).where(firings.c.fired < before)
    old = old.order_by(firings.c.fired).limit(limit)
    return (await connection.execute(delete(firings).where(firings.c.id.in_(old)))).rowcount
