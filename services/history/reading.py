"""Queries on the recorded past; each is one page, and the caller says where it begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from pydantic_core import from_json
from sqlalchemy import Column, ColumnElement, Row, Select, Table, false, or_, select, tuple_

from upshot.events.event import Recorded
from upshot.events.log import order
from upshot.events.places import Place
from upshot.flows.runs.registry import RunFilter
from upshot.flows.states import StateType

from .archive import Placed, Span
from .database import Database
from .filters import EventFilter, prefix
from .projection import event_of, indexed
from .tables import events, firings, flow_runs, task_runs

Rows: TypeAlias = Select[*tuple[Any, ...]]
"""A query for rows, of whichever columns."""

_PLACE = tuple_(events.c.received, events.c.seq)
_TYPES = frozenset(each.value for each in StateType)
_EVENT = (events.c.received, events.c.seq, events.c.own, events.c.body)


class Reader:
    """Reads one database.

    Args:
        url: its address.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url, writes=False)

    async def close(self) -> None:
        await self._database.close()

    async def _all(self, query: Rows) -> Sequence[Row[Any]]:
        async with self._database.transaction() as connection:
            rows: Sequence[Row[Any]] = (await connection.execute(query)).all()
        return rows

    async def _events(self, query: Rows) -> list[Recorded]:
        rows = await self._all(query)
        return [event_of(row.received, row.seq, row.own, row.body) for row in rows]

    async def events_before(
        self,
        wanted: EventFilter,
        *,
        before: str | None,
        since: int | None,
        until: int | None,
        limit: int,
    ) -> list[Recorded]:
        """Return events newest first; those that only ``wanted.matches`` can tell apart, too.

        Args:
            before: a position, excluded. since, until: Unix ms, both included.
        """
        query = select(*_EVENT).order_by(events.c.received.desc(), events.c.seq.desc())
        if before is not None:
            query = query.where(order(before) > _PLACE)
        query = query.where(*_between(events.c.received, since, until))
        query = query.where(*_named(events.c.name, wanted.names))
        query = query.where(*_named(events.c.resource, wanted.resources))
        return await self._events(query.limit(limit))

    async def events_after(
        self, after: str, *, before: str | None, until: int | None, limit: int
    ) -> list[Recorded]:
        """Return events oldest first, between two positions, both excluded."""
        query = select(*_EVENT).where(order(after) < _PLACE).order_by(*_PLACE.clauses)
        if before is not None:
            query = query.where(order(before) > _PLACE)
        query = query.where(*_between(events.c.received, None, until))
        return await self._events(query.limit(limit))

    async def events_at(self, positions: Sequence[str]) -> list[Recorded]:
        """Return the events at these positions, oldest first; a missing one is left out."""
        places = [order(position) for position in positions]
        query = select(*_EVENT).where(_PLACE.in_(places)).order_by(*_PLACE.clauses)
        return await self._events(query)

    async def events_of_ids(self, ids: Sequence[str]) -> list[Recorded]:
        """Return the events with these ids, oldest first."""
        query = select(*_EVENT).where(events.c.id.in_(ids)).order_by(*_PLACE.clauses)
        return await self._events(query)

    async def events_following(self, ids: Sequence[str], limit: int = 1000) -> list[Recorded]:
        """Return the events that one of these caused directly, oldest first."""
        query = select(*_EVENT).where(events.c.follows.in_(ids)).order_by(*_PLACE.clauses)
        return await self._events(query.limit(limit))

    async def runs(self, wanted: RunFilter, span: Span, limit: int) -> list[Placed]:
        """Return flow runs newest first."""
        table = flow_runs.c
        query = _newest(flow_runs, table.created, span)
        query = query.where(*_between(table.created, wanted.since, wanted.until))
        if wanted.flow is not None:
            query = query.where(table.flow == indexed(wanted.flow))
        if wanted.deployment is not None:
            query = query.where(table.deployment == indexed(wanted.deployment))
        if wanted.parent is not None:
            query = query.where(table.parent == indexed(wanted.parent))
        if wanted.state is not None:
            column = table.state if wanted.state in _TYPES else table.state_name
            query = query.where(column == wanted.state)
        return _placed(await self._all(query.limit(limit)))

    async def run(self, id_or_name: str) -> dict[str, Any] | None:
        """Return a flow run by its id, or the newest one of that name."""
        table = flow_runs.c
        for found in (table.id == id_or_name, table.name == indexed(id_or_name)):
            query = select(table.body).where(found).order_by(table.created.desc()).limit(1)
            if rows := await self._all(query):
                body: dict[str, Any] = from_json(rows[0].body)
                return body
        return None

    async def task_runs(self, flow_run: str, start: int, limit: int) -> list[bytes]:
        """Return records of task runs of a flow run, oldest first, behind the first ``start``."""
        table = task_runs.c
        query = select(table.body).where(table.flow_run == flow_run)
        query = query.order_by(table.created, table.id).offset(start).limit(limit)
        return [row.body.encode() for row in await self._all(query)]

    async def firings(self, automation: str | None, span: Span, limit: int) -> list[Placed]:
        """Return firings newest first; ``automation`` is a name or an id."""
        table = firings.c
        query = _newest(firings, table.fired, span)
        if automation is not None:
            named = table.automation == indexed(automation)
            query = query.where(or_(named, table.automation_id == automation))
        return _placed(await self._all(query.limit(limit)))

    async def firing(self, identity: str) -> dict[str, Any] | None:
        """Return a firing by its id."""
        rows = await self._all(select(firings.c.body).where(firings.c.id == identity))
        return from_json(rows[0].body) if rows else None


def _newest(table: Table, age: Column[Any], span: Span) -> Rows:
    """Return the query for the rows of a span, newest first."""
    place = tuple_(age, table.c.id)
    query = select(table.c.id, age.label("ms"), table.c.body).order_by(
        age.desc(), table.c.id.desc()
    )
    query = query.where(age <= span.until)
    if span.before is not None:
        query = query.where(place < tuple(span.before))
    if span.after is not None:
        query = query.where(place > tuple(span.after))
    return query


def _placed(rows: Sequence[Row[Any]]) -> list[Placed]:
    return [(Place(row.ms, row.id), from_json(row.body)) for row in rows]


def _between(
    column: Column[Any], since: int | None, until: int | None
) -> list[ColumnElement[bool]]:
    bounds = []
    if since is not None:
        bounds.append(column >= since)
    if until is not None:
        bounds.append(column <= until)
    return bounds


def _named(column: Column[Any], names: Sequence[str]) -> list[ColumnElement[bool]]:
    """Return what narrows a query to these names and globs, as far as an index can tell."""
    if not names or any(prefix(name) == "" for name in names):
        return []
    exact = [indexed(name) for name in names if prefix(name) is None]
    starts = [indexed(start) for name in names if (start := prefix(name))]
    ranges = [(column >= start) & (column < start + "\U0010ffff") for start in starts]
    return [or_(column.in_(exact) if exact else false(), *ranges)]
