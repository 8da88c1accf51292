"""Reads runs in the store: one of them, many, pages of them, their tasks and their logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

from pydantic_core import from_json

from upshot.events.clock import unix_ms
from upshot.events.exceptions import NotFound
from upshot.events.log import milliseconds
from upshot.events.places import Place
from upshot.events.store import Store

from ..states import StateType
from .flowrun import FlowRun, parse_run
from .listing import RunFilter, places
from .tasks import AT_ONCE, in_order, kept_sums, summed

__all__ = ["RunFilter", "RunReader"]

_END_OF_NAME: Final = b"\xff"
"""Between the parts of a place among the names; no text has this byte."""


class RunReader:
    """What can be asked about the flow runs of one shard.

    Args:
        store: where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, run_id: str) -> FlowRun:
        """Return a run by its id.

        Raises:
            NotFound: there is none.
        """
        fields = await self._store.execute("HGETALL", self._store.keys("run", run_id))
        if not fields:
            raise NotFound(f"no run has the id {run_id!r}")
        return parse_run(fields)

    async def find(self, id_or_name: str) -> FlowRun:
        """Return a run by its id, or the newest one of that name."""
        try:
            return await self.get(id_or_name)
        except NotFound:
            found = await self._named(id_or_name)
            if found is None:
                raise NotFound(f"no run has the id or name {id_or_name!r}") from None
            return found

    async def _named(self, name: str) -> FlowRun | None:
        """Return the newest run of a name."""
        start, end = name.encode() + _END_OF_NAME, name.encode() + _END_OF_NAME * 2
        found = await self._store.execute(
            "ZREVRANGEBYLEX", self._store.keys("names"), b"(" + end, b"(" + start, "LIMIT", 0, 1
        )
        runs = await self.many([each.rpartition(_END_OF_NAME)[2].decode() for each in found])
        return runs[0] if runs else None

    async def newest(
        self, wanted: RunFilter, before: Place | None = None
    ) -> AsyncIterator[tuple[Place, FlowRun]]:
        """Yield runs with their places, newest first, from those older than ``before`` on."""
        async for found in places(self._store, wanted, before):
            place_of = {place.id: place for place in found}
            for run in await self.many(list(place_of)):
                if wanted.matches(run):
                    yield place_of[run.id], run

    async def many(self, ids: Sequence[str]) -> list[FlowRun]:
        """Return the runs of these ids that exist, in this order."""
        answers = await self._store.pipeline(
            [("HGETALL", self._store.keys("run", run_id)) for run_id in ids]
        )
        return [parse_run(fields) for fields in answers if fields]

    async def lapsed(self, limit: int = 200) -> list[FlowRun]:
        """Return runs whose process has shown no sign of life for a lease."""
        now, key = await self.now(), self._store.keys("leases")
        ids = await self._store.execute("ZRANGEBYSCORE", key, "-inf", now, "LIMIT", 0, limit)
        return await self.many([run_id.decode() for run_id in ids])

    async def owes(self, run_id: str) -> bool:
        """Tell whether a run, or a part of it, has open transactions."""
        return bool(await self._store.execute("EXISTS", self._store.keys("open", run_id)))

    async def owing(self) -> list[FlowRun]:
        """Return the runs that have open transactions, or parts with some."""
        ids = await self._store.execute("SMEMBERS", self._store.keys("open"))
        return await self.many([run_id.decode() for run_id in ids])

    async def tasks(self, run_id: str) -> list[dict[str, Any]]:
        """Return the task runs of a run as JSON answers show them, oldest first."""
        stored = await self._store.execute("HGETALL", self._store.keys("tasks", run_id))
        if len(stored) <= AT_ONCE:
            return _records(stored.values())
        return await asyncio.to_thread(_records, stored.values())  # others go on meanwhile

    async def task_sums(self, run_id: str) -> list[dict[str, Any]]:
        """Return how the task runs of a run stand, task by task, by their first calls."""
        kept = await kept_sums(self._store, run_id)
        return await asyncio.to_thread(summed, await self.tasks(run_id)) if kept is None else kept

    async def now(self) -> int:
        """Return the store's time in Unix ms."""
        clock = await self._store.execute("TIME")
        return unix_ms(clock)

    async def counts(self) -> dict[str, int]:
        """Return how many runs are in each state type."""
        kinds = [kind.value for kind in StateType]
        answers = await self._store.pipeline(
            [("ZCARD", self._store.keys("runs", kind)) for kind in kinds]
        )
        return dict(zip(kinds, answers, strict=True))

    async def logs(
        self, run_id: str, after: str = "0-0", limit: int = 1000
    ) -> list[dict[str, Any]]:
        """Return log lines of a run after a position.

        Each has ``position``, ``time`` (Unix ms), ``level``, ``logger``, ``message``,
        ``task`` (its run's name) and ``task_run``.
        """
        return [
            {"position": position, "time": milliseconds(position), **from_json(body)}
            for position, body in await self.log_entries(run_id, after, limit)
        ]

    async def log_entries(self, run_id: str, after: str, limit: int) -> list[tuple[str, bytes]]:
        """Return log lines of a run after a position as they are kept, each with its position."""
        key = self._store.keys("logs", run_id)
        entries = await self._store.execute("XRANGE", key, f"({after}", "+", "COUNT", limit)
        return [(entry[0].decode(), entry[1][1]) for entry in entries]

    async def list(
        self, wanted: RunFilter, *, limit: int = 100, before: Place | None = None
    ) -> tuple[list[FlowRun], Place | None]:
        """Return a page of runs, newest first, and the place after which the next one begins."""
        found: list[tuple[Place, FlowRun]] = []
        async for placed in self.newest(wanted, before):
            if len(found) == limit:
                return [run for _, run in found], found[-1][0]
            found.append(placed)
        return [run for _, run in found], None


def _records(stored: Iterable[bytes]) -> list[dict[str, Any]]:
    """Return the records of task runs, oldest first."""
    return [from_json(each) for each in in_order(stored)]
