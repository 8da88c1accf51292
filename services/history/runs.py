"""Flow runs and task runs, of the store and of the archive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from upshot.events.exceptions import NotFound
from upshot.events.places import Place, newest_first
from upshot.events.store import Commands, Store
from upshot.flows.exceptions import NotRetryable
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.runs.registry import RunFilter, Runs
from upshot.flows.runs.tasks import (
    AT_ONCE,
    Portion,
    TaskFilter,
    TaskRun,
    portion,
    portions,
    summed,
)

from .archive import Archive, Placed, Span
from .seam import Live, Page, complete

if TYPE_CHECKING:
    from .reading import Reader

_KIND: Final = "runs"


class RecordedRuns:
    """All runs that are known, wherever they are kept.

    Args:
        runs: those in the store. archive: where the others are; None looks at the store only.
    """

    def __init__(self, store: Store, runs: Runs, archive: Archive | None) -> None:
        self._store = store
        self._runs = runs
        self._archive = archive

    async def page(self, wanted: RunFilter, *, limit: int, before: Place | None = None) -> Page:
        """Return a page of flow runs as answers show them, newest first."""
        found: list[Placed] = []
        async for place, run in self._runs.newest(wanted, before):
            found.append((place, run.to_dict()))
            if len(found) > limit:
                break

        async def fetch(reader: Reader, span: Span, count: int) -> list[Placed]:
            return await reader.runs(wanted, span, count)

        live = Live(found, found[-1][0] if len(found) > limit else None)
        return await self._complete(live, fetch, before, limit)

    async def places(self, *, limit: int, before: Place | None = None) -> list[Place]:
        """Return where the next runs are, newest first."""
        found: list[Placed] = []
        async for places in newest_first(self._store, self._store.keys(_KIND), before=before):
            found += [(place, {}) for place in places]
            if len(found) > limit:
                break

        async def fetch(reader: Reader, span: Span, count: int) -> list[Placed]:
            return await reader.runs(RunFilter(), span, count)

        live = Live(found, found[-1][0] if len(found) > limit else None)
        items, _ = await self._complete(live, fetch, before, limit)
        return [place for place, _ in items]

    async def _complete(self, live: Live, fetch: Any, before: Place | None, limit: int) -> Page:
        return await complete(
            self._store, self._archive, _KIND, live, fetch, before=before, limit=limit
        )

    async def find(self, id_or_name: str) -> dict[str, Any]:
        """Return a flow run as answers show it, by its id or the newest one of that name.

        Raises:
            NotFound: there is none.
        """
        try:
            return (await self._runs.find(id_or_name)).to_dict()
        except NotFound:
            archived = await self._archived(id_or_name)
            if archived is None:
                raise
            return archived

    async def live(self, id_or_name: str) -> FlowRun:
        """Return a flow run that can still change.

        Raises:
            NotFound: there is none. NotRetryable: only the archive has it.
        """
        try:
            return await self._runs.find(id_or_name)
        except NotFound:
            archived = await self._archived(id_or_name)
            if archived is None:
                raise
            raise NotRetryable(
                f"run {archived['name']} ended long ago and is only in the archive; "
                "start a new one instead"
            ) from None

    async def _archived(self, id_or_name: str) -> dict[str, Any] | None:
        forgotten = await self._store.execute("HEXISTS", self._store.keys("forgotten"), _KIND)
        reader = await self._archive.reader() if forgotten and self._archive is not None else None
        return None if reader is None else await reader.run(id_or_name)

    async def with_tasks(self, places: Sequence[Place]) -> list[Place]:
        """Return those of these places whose runs have task runs, or are not in the store."""
        keys = self._store.keys
        asked: Commands = []
        for place in places:
            asked += [("EXISTS", keys("run", place.id)), ("HLEN", keys("tasks", place.id))]
        answers = await self._store.pipeline(asked) if asked else []
        told = zip(places, answers[::2], answers[1::2], strict=True)
        return [place for place, there, tasks in told if tasks or not there]

    async def portions(
        self, run_id: str, start: int, wanted: TaskFilter, size: int = AT_ONCE
    ) -> AsyncIterator[Portion]:
        """Yield the task runs of a flow run, oldest first, from behind the first ``start`` on."""
        reader = await self._reader_of(run_id)
        if reader is None:
            async for part in portions(self._store, run_id, start, wanted, size):
                yield part
            return
        while records := await reader.task_runs(run_id, start, size):
            yield portion(records, start, wanted)
            start += len(records)

    async def task_sums(self, run_id: str) -> list[dict[str, Any]]:
        """Return how the task runs of a flow run stand, task by task, by their first calls."""
        if await self._reader_of(run_id) is None:
            return await self._runs.task_sums(run_id)
        every: list[TaskRun] = []
        async for part in self.portions(run_id, 0, TaskFilter()):
            every += [record for _, record in part.found]
        return await asyncio.to_thread(summed, every)

    async def _reader_of(self, run_id: str) -> Reader | None:
        """Return what reads a run that is only in the archive; None for one of the store."""
        if self._archive is None:
            return None
        keys = self._store.keys
        if await self._store.execute("EXISTS", keys("run", run_id), keys("tasks", run_id)):
            return None
        return await self._archive.reader()
