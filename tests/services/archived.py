"""An archiver within a test, step by step or as it runs, and what it has written."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from functools import cache
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from tests.waiting import until
from upshot.events.event import Event
from upshot.events.log import Log, order
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.states import State
from upshot.services.archiver.archiving import Archiver
from upshot.services.history.address import SQLITE
from upshot.services.history.archive import Archive
from upshot.services.history.writing import Cursor

YEAR_MS = 365 * 86_400_000


def event(number: int, name: str = "order.placed", **fields: Any) -> Event:
    return Event(id=f"e{number}", event=name, resource={"id": f"order.{number % 7}"}, **fields)


class Steps:
    """An archiver that works when it is told to.

    Attributes:
        archive: reads what it has written.
    """

    def __init__(self, store: Store, url: str) -> None:
        self.store, self.url = store, url
        self.archiver = Archiver(store, url, lease_ms=15_000, retention_ms=YEAR_MS)
        self.archive = Archive(store, url)
        self.cursor: Cursor | None = None

    async def catch_up(self) -> None:
        """Archive all that is in the log now."""
        before, self.cursor = None, self.cursor or await self.archiver.open()
        while self.cursor != before:
            before, self.cursor = self.cursor, await self.archiver.step(self.cursor)

    async def trim(self) -> int:
        """Trim the log behind the archive, as if an engine had read everything."""
        log = Log(self.store)
        await log.register("engine", await log.end())
        await asyncio.sleep(0.002)
        return await log.trim(0)

    async def close(self) -> None:
        await self.archiver.close()
        await self.archive.close()


@cache
def empty_database() -> bytes:
    """Return a database as the migrations leave it: making one takes a process and a second."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "history.db"
        url = {"UPSHOT_MIGRATED_DATABASE": f"{SQLITE}{file}"}
        command = [sys.executable, "-m", "upshot.services.history.migrating"]
        subprocess.run(command, env={**os.environ, **url}, check=True)
        return file.read_bytes()


@asynccontextmanager
async def steps(store: Store, folder: Path) -> AsyncIterator[Steps]:
    """Return an archiver with a database of its own."""
    (folder / "history.db").write_bytes(empty_database())
    made = Steps(store, f"{SQLITE}{folder / 'history.db'}")
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def running(store: Store, folder: Path, **how: int) -> AsyncIterator[Archiver]:
    """Run an archiver beside the test."""
    given = {"lease_ms": 1000, "retention_ms": YEAR_MS} | how
    archiver = Archiver(store, f"{SQLITE}{folder / 'history.db'}", **given)
    task = asyncio.create_task(archiver.run())
    try:
        yield archiver
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until_archived(store: Store) -> None:
    """Wait until the archiver has said that it has all that is in the log by now."""
    end = await Log(store).end()

    async def there() -> bool:
        at = await store.execute("HGET", store.keys("cursors"), "archiver")
        return at is not None and order(at.decode()) >= order(end)

    await until(there, "the whole log is archived")


async def record_task(store: Store, run: FlowRun, task: str, name: str, batch: int = 1) -> None:
    state = State(name)
    body = {
        "id": task, "name": task, "key": task, "task": "t", "flow_run": run.id, "tags": [],
        "state": state.to_dict(), "attempt": 1, "created": "2026-11-20T07:00:00.000000Z",
        "started": None, "ended": None, "result": None, "checkpoint": None,
    }  # fmt: skip
    told = Event(
        event=f"task-run.{state.type.value.lower()}",
        resource={"id": f"task-run.{task}"},
        related=[{"id": f"flow-run.{run.id}", "role": "flow-run"}],
    )
    await store.call(
        "record_tasks",
        run.id,
        run.epoch,
        batch,
        task,
        state.type.value,
        to_json(body),
        told.to_json(),
    )


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """Ask the database in a folder."""
    with closing(sqlite3.connect(folder / "history.db")) as database:
        return database.execute(query).fetchall()


def archived_positions(folder: Path) -> list[str]:
    return [
        f"{received}-{seq}"
        for received, seq in rows(folder, "SELECT received, seq FROM events ORDER BY 1, 2")
    ]


async def logged_positions(store: Store) -> list[str]:
    return [each.position for each in await Log(store).range(limit=1_000_000)]
