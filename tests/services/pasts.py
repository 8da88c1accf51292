"""A log and its archive while events and runs are made, archived and dropped."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.services.archived import (
    Steps,
    event,
    steps,
)
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State

FAR = 10**14
NODE = "stream-node-max-entries"

Step = tuple[str, int]


@asynccontextmanager
async def workshop(store_url: str) -> AsyncIterator[Steps]:
    """Return an archiver beside an empty store whose log is trimmed event by event."""
    store = Store(store_url)
    await store.execute("FLUSHALL")
    await store.load_functions()
    await store.execute("CONFIG", "SET", NODE, 1)
    with tempfile.TemporaryDirectory() as folder:
        try:
            async with steps(store, Path(folder)) as made:
                await Log(store).expect("archiver")
                yield made
        finally:
            await store.execute("CONFIG", "SET", NODE, 100)
            await store.close()


class Events:
    """What happens to the log while somebody pages through it."""

    def __init__(self, shop: Steps) -> None:
        self.shop = shop
        self.log = Log(shop.store)
        self.positions: list[str] = []

    async def do(self, moves: list[Step]) -> None:
        for verb, count in moves:
            if verb == "new":
                given = (event(len(self.positions) + each) for each in range(count))
                appended = await self.log.append(given)
                self.positions += [each for each in appended.positions if each]
            elif verb == "archive":
                await self.shop.catch_up()
            else:
                await self.log.register("engine", await self.log.end())
                await asyncio.sleep(0.002)
                await self.log.trim(0, count * 3)


class RunsOfAll:
    """What happens to runs while somebody pages through them."""

    def __init__(self, shop: Steps) -> None:
        self.shop = shop
        self.runs = Runs(shop.store)
        self.made: list[str] = []

    async def do(self, moves: list[Step]) -> None:
        for verb, count in moves:
            if verb == "new":
                for _ in range(count):
                    await self.make("Failed" if len(self.made) % 3 else "Running")
            elif verb == "archive":
                await self.shop.catch_up()
            else:
                await self.shop.store.call("forget_runs", FAR, count)

    async def make(self, state: str) -> FlowRun:
        run = new_run("etl", state=State("Scheduled"), name=f"n{len(self.made)}")
        await self.runs.create(run)
        run = await self.runs.transition(await self.runs.get(run.id), State("Running"), own=False)
        if state != "Running":
            run = await self.runs.transition(run, State(state), own=False)
        self.made.append(run.id)
        return run
