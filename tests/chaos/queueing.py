"""Kills and stops who has slots or hands them out, and reads in the log whether limits held.

Runs wait in three queues of a pool under the limits of the pool, of queues and of deployments.
Workers, flow processes and the store are killed, workers and flow processes stopped for longer than
their leases. States and slots change in one step with their events, so the log tells exactly how
many runs were under way at each moment.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any, Final

from tests.services.running import LEASE, service
from upshot.automations.files.declarations import Deployment, WorkPool
from upshot.events.embedded import EmbeddedStore
from upshot.events.exceptions import EventsError
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.flows.runs.flowrun import new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.definitions.catalog import Catalog
from upshot.services.definitions.switching import WORK_POOL

WORKERS: Final = ("a", "b", "c")
QUEUES: Final = {"urgent": 2, "default": None, "bulk": 1}
DEPLOYMENTS: Final = {"queued/one": 1, "queued/two": 2, None: None}
POOL: Final = 4
PATIENCE: Final = 90.0
_FLOW: Final = f"{Path(__file__).with_name('queued_flow.py')}:queued"
_UNDER_WAY: Final = {"Pending", "Running", "Paused", "Cancelling"}
_LEFT: Final = ("slots", "line:", "asked", "ready", "told", "picks")


@dataclass
class Outcome:
    """What was found.

    Attributes:
        done: what was done to whom → how often. waits: for a limit, as told. problems: what did
            not hold.
    """

    done: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    waits: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return sum(number for what, number in self.done.items() if "killed" in what)


class Fleet:
    """Services in processes of their own, which are started anew when they were killed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._running: dict[str, tuple[AbstractContextManager[Popen[bytes]], Popen[bytes]]] = {}

    def start(self, name: str) -> None:
        """Start a worker of that name, or the scheduler."""
        kind, arguments = ("worker", ("--name", name)) if name in WORKERS else (name, ())
        running = service(kind, store_url=self._url, arguments=arguments, worker_concurrency=4)
        self._running[name] = (running, running.__enter__())

    def pid(self, name: str) -> int:
        return self._running[name][1].pid

    def end(self, name: str) -> None:
        """Kill it."""
        running, _ = self._running.pop(name)
        running.__exit__(None, None, None)

    def end_all(self) -> None:
        for name in list(self._running):
            self.end(name)


class Queueing:
    """Does something bad again and again while runs are under way; lets all end then."""

    def __init__(self, folder: Path, kills: int, seed: int) -> None:
        self._most, self._random = kills, random.Random(seed)
        self._pids = folder / "pids"
        self._pids.mkdir()
        self._embedded = EmbeddedStore(folder / "data")
        self._made: list[str] = []
        self.outcome = Outcome()

    async def __call__(self) -> Outcome:
        self._embedded.start()
        self._store = Store(self._embedded.url)
        self._runs, self._fleet = Runs(self._store), Fleet(self._embedded.url)
        try:
            await self._begin()
            while self.outcome.kills < self._most:
                await self._keep_busy()
                await asyncio.sleep(self._random.uniform(0.05, 0.4))
                await self._do_something_bad()
            await self._until_all_ended()
            await self._look_at_log()
        finally:
            self._fleet.end_all()
            await self._store.close()
            self._embedded.stop()
        return self.outcome

    async def _begin(self) -> None:
        await self._store.load_functions()
        queues = [
            {"name": name, "limit": limit, "priority": 50 * number + 1}
            for number, (name, limit) in enumerate(QUEUES.items())
        ]
        pool = WorkPool.model_validate(
            {"name": "default", "queues": queues, "concurrency_limit": POOL}
        )
        deployments = [
            Deployment(name=name, entrypoint=_FLOW, concurrency_limit=limit)
            for name, limit in DEPLOYMENTS.items()
            if name is not None
        ]
        await Catalog(self._store).apply(
            {
                WORK_POOL: {"default": pool.model_dump(mode="json")},
                "deployment": {each.name: each.model_dump(mode="json") for each in deployments},
            }
        )
        for name in (*WORKERS, "scheduler"):
            self._fleet.start(name)

    async def _keep_busy(self) -> None:
        """Let there be enough that waits, and retry what crashed."""
        with suppress(EventsError):
            waiting = 0
            for run in await self._runs.many(self._made):
                waiting += run.state.type == "Scheduled"
                if run.state.name == "Crashed":
                    await self._runs.retry(run.id)
            for _ in range(max(0, 12 - waiting)):
                await self._make()

    async def _make(self) -> None:
        run = new_run(
            "queued", state=State("Scheduled"), entrypoint=_FLOW, pool="default",
            queue=self._random.choice(list(QUEUES)), priority=self._random.randint(-2, 2),
            deployment=self._random.choice(list(DEPLOYMENTS)),
            parameters={"folder": str(self._pids), "seconds": self._random.uniform(0.1, 1.5)},
        )  # fmt: skip
        await self._runs.create(run)
        self._made.append(run.id)

    async def _do_something_bad(self) -> None:
        flows = [int(note.name) for note in self._pids.iterdir()]
        what = self._random.choices(("worker", "flow", "store", "stop"), (3, 12, 1, 1))[0]
        if what == "worker":
            name = self._random.choice(WORKERS)
            self._fleet.end(name)
            self._fleet.start(name)
            self.outcome.done["workers killed"] += 1
        elif what == "flow" and flows:
            self._kill_flow(self._random.choice(flows))
        elif what == "store":
            await self._kill_store()
        elif what == "stop":
            worker = self._fleet.pid(self._random.choice(WORKERS))
            stopped = {worker: "workers stopped"}
            stopped |= dict.fromkeys(
                self._random.sample(flows, min(1, len(flows))), "flows stopped"
            )
            await self._stop(stopped)

    def _kill_flow(self, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.outcome.done["flows killed"] += 1
        (self._pids / str(pid)).unlink(missing_ok=True)

    async def _kill_store(self) -> None:
        assert self._embedded.pid is not None
        os.kill(self._embedded.pid, signal.SIGKILL)
        self.outcome.done["stores killed"] += 1
        await asyncio.to_thread(self._embedded.wait)
        await asyncio.to_thread(self._embedded.start)

    async def _stop(self, stopped: dict[int, str]) -> None:
        """Stop processes for longer than the sweep waits, and let them go on."""
        for pid, what in stopped.items():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                self.outcome.done[what] += 1
        await asyncio.sleep(3 * LEASE)
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def _until_all_ended(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(EventsError):
                found = await self._runs.many(self._made)
                for run in found:
                    if run.state.name == "Crashed":
                        await self._runs.retry(run.id)
                left = [run for run in found if run.state.name != "Completed"]
                if not left and not await self._left_behind():
                    return
            if time.monotonic() > deadline:
                states = Counter(run.state.name for run in left)
                self._say(f"not ended: {dict(states)}; left: {await self._left_behind()}")
                return
            await asyncio.sleep(0.1)

    async def _left_behind(self) -> list[str]:
        keys = await self._store.execute("KEYS", self._store.keys("*"))
        names = [key.decode().split(":", 2)[2] for key in keys]
        return [name for name in names if name.startswith(_LEFT)]

    async def _look_at_log(self) -> None:
        """Follow how many runs are under way; every entry of the log is one change."""
        self.outcome.runs = len(self._made)
        runs = {run.id: run for run in await self._runs.many(self._made)}
        of = {
            run.id: ("pool", f"queue {run.queue}", f"deployment {run.deployment}")
            for run in runs.values()
        }
        limits = {f"queue {name}": limit for name, limit in QUEUES.items()}
        limits |= {f"deployment {name}": limit for name, limit in DEPLOYMENTS.items()}
        limits["pool"] = POOL
        under_way: Counter[str] = Counter()
        kinds: dict[str, str] = {}
        waits: set[tuple[str, str]] = set()
        async for event in self._events():
            self._follow_waits(event, waits)
            run_id = event["resource"]["id"].removeprefix("flow-run.")
            if run_id not in of or not event["event"].startswith("flow-run."):
                continue
            before, now = kinds.get(run_id, ""), event["payload"]["state"]["type"]
            kinds[run_id] = now
            change = (now in _UNDER_WAY) - (before in _UNDER_WAY)
            for name in of[run_id]:
                under_way[name] += change
                if change > 0 and (limits[name] or POOL) < under_way[name]:
                    self._say(f"{name}: {under_way[name]} under way, {limits[name]} may be")
        for run, limit in waits:
            self._say(f"nothing is told of the end of {run}'s wait for {limit}")

    def _follow_waits(self, event: dict[str, Any], waits: set[tuple[str, str]]) -> None:
        if event["event"] not in ("limit.reached", "limit.acquired", "limit.abandoned"):
            return
        wait = (event["related"][0]["id"], event["resource"]["name"])
        begins = event["event"] == "limit.reached"
        if begins == (wait in waits):
            self._say(f"a wait is told twice, or its end without it: {event['event']} {wait}")
        self.outcome.waits += begins
        (waits.add if begins else waits.discard)(wait)

    async def _events(self) -> AsyncIterator[dict[str, Any]]:
        after = "-"
        while events := await Log(self._store).range(after):
            for event in events:
                yield event.body
            after = f"({events[-1].position}"

    def _say(self, what: str) -> None:
        self.outcome.problems.append(what)


def undergo(folder: Path, kills: int, seed: int) -> Outcome:
    """Kill so often; return what was found."""
    return asyncio.run(Queueing(folder, kills, seed)())
