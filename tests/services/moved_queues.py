"""A pool's queues, moved one command at a time: what people do to them, and what workers do."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from upshot.events.event import Event
from upshot.events.exceptions import EventsError
from upshot.events.keys import WORKERS
from upshot.events.store import Store
from upshot.flows.exceptions import FlowsError
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State, StateType
from upshot.services.worker.claims import Claims, Waiting

from .seen_queues import UNDER_WAY, Seen, look
from .stepping import Stepped


@dataclass(eq=False)
class Taker:
    """A worker that has read an entry."""

    waiting: Waiting
    work: Stepped[None]
    claimed: FlowRun | None = None


class MovedQueues:
    """The queues of the pool ``default``, and who makes runs for it, defines it and serves it.

    Attributes:
        made: ids of the runs. takers: workers that are at it. left: what dead ones held.
        pool, by_hand, deployments: how the pool, its queues and what limits runs are defined.
    """

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store = self.do(self._open())
        self.key = self.store.keys("queue", "default")
        self.runs = Runs(self.store)
        self.made: list[str] = []
        self.takers: list[Taker] = []
        self.left: list[Waiting] = []
        self.pool: dict[str, Any] = {"queues": []}
        self.by_hand: dict[str, bool] = {}
        self.deployments: dict[str, dict[str, Any] | None] = {}

    def do(self, work: Any) -> Any:
        return self.runner.run(work)

    async def _open(self) -> Store:
        store = Store(self.url)
        await store.execute("FLUSHALL")
        await store.load_functions()
        key = store.keys("queue", "default")
        await store.execute("XGROUP", "CREATE", key, WORKERS, "0", "MKSTREAM")
        return store

    async def close(self) -> None:
        for taker in self.takers:
            await taker.work.die()
        await self.store.close()

    # What people do.

    def make_run(self, queue: str, priority: int, deployment: str | None) -> None:
        place: dict[str, Any] = {"pool": "default", "queue": queue, "priority": priority}
        scheduled = State("Scheduled")
        made = new_run("f", state=scheduled, entrypoint="x.py:f", deployment=deployment, **place)
        self.do(self.runs.create(made))
        self.made.append(made.id)

    def define_pool(self, pool: dict[str, Any]) -> None:
        self._put("work-pool", "default", pool)
        self.pool = pool

    def switch_queue(self, queue: str, paused: bool) -> None:
        self._put("work-queue", f"default/{queue}", {"paused": paused})
        self.by_hand[queue] = paused

    def define_deployment(self, name: str, limit: dict[str, Any] | None) -> None:
        self._put("deployment", name, {"concurrency_limit": limit})
        self.deployments[name] = limit

    def _put(self, kind: str, name: str, doc: dict[str, Any] | None) -> None:
        body = to_json({"name": name, **doc}) if doc is not None else b""
        event = Event(event=f"{kind}.updated", resource={"id": f"{kind}.1"})
        self.do(self.store.call("put", kind, name, "", body, event.to_json()))

    def act_on(self, run_id: str, what: str) -> None:
        with suppress(EventsError, FlowsError):  # it may not be the moment for that
            self.do(getattr(self.runs, what)(run_id))
        if what == "pause":  # its process leaves, where it has one
            self.do(self.store.call("leave_run", run_id, self.do(self.runs.get(run_id)).epoch, 0))

    # What workers do, one command at a time.

    def read(self) -> bool:
        """Have one more worker read an entry; tell whether there was one."""
        group = ("XREADGROUP", "GROUP", WORKERS, "w", "COUNT", 1, "STREAMS", self.key, ">")
        for entry, fields in (self.do(self.store.execute(*group)) or {}).get(self.key.encode(), []):
            self.do(self._take(Waiting(entry.decode(), fields[1].decode())))
            return True
        return False

    async def _take(self, waiting: Waiting) -> None:
        async def work(store: Any) -> None:
            claims = Claims(store, Runs(store), "default", "w")
            taker.claimed, _ = await claims.claim(waiting) or (None, None)
            await claims.settle(waiting)

        taker = Taker(waiting, Stepped(self.store, work))
        self.takers.append(taker)
        await taker.work.begin()

    def step(self, taker: Taker) -> None:
        """Let a worker send one command; which run it chooses is known before."""
        expected = self._next_run(taker)
        if self.do(taker.work.step()):
            self.takers.remove(taker)
            taker.work.task.result()
        if expected is not None:
            assert self._chosen(taker.waiting) == expected

    def _chosen(self, waiting: Waiting) -> bytes:
        """Return the run that an entry is for, which may have been taken in the same step."""
        key = self.store.keys("picks", "default")
        picked: bytes | None = self.do(self.store.execute("HGET", key, waiting.entry))
        if picked is not None:
            return picked
        assert self.do(self.runs.get(waiting.run_id)).state.type is StateType.PENDING
        return waiting.run_id.encode()

    def _next_run(self, taker: Taker) -> bytes | None:
        """Return the run that a worker must choose now, where it chooses one."""
        if taker.work.next[0] not in {"pick", "take_next"}:
            return None
        there = self.do(self.store.execute("XRANGE", self.key, *[taker.waiting.entry] * 2))
        seen = self.see()
        places = [
            (self.queue(queue).get("priority", 100), place, run)
            for queue, waiting in seen.ready.items()
            for run, place in waiting
            if self.free(seen, queue) > 0
        ]
        return min(places)[2].encode() if there and places else None

    def kill(self, taker: Taker) -> None:
        self.takers.remove(taker)
        self.do(taker.work.die())
        self.left.append(taker.waiting)

    def sweep(self, waiting: Waiting) -> None:
        """Put what a worker held back into the queue, as if it were dead."""
        self.do(self.store.call("requeue", "default", waiting.entry, waiting.run_id))

    def go_on(self, run_id: str, state: str) -> None:
        """Have the process of a run that has one tell its next state."""
        run = self.do(self.runs.get(run_id))
        if run.state.type == "Cancelling":
            state = "Cancelled"
        if run.state.type in UNDER_WAY:
            own = state in ("Running", "Completed")
            self.do(self.runs.transition(run, State(state), own=own))

    # What there is.

    def see(self) -> Seen:
        seen: Seen = self.do(look(self.store, self.made))
        return seen

    def under_way(self) -> list[str]:
        return [each for each, run in self.see().runs.items() if run["type"] in UNDER_WAY]

    def queue(self, name: str) -> dict[str, Any]:
        """Return how a queue is defined."""
        return next((each for each in self.pool["queues"] if each["name"] == name), {})

    def free(self, seen: Seen, queue: str) -> float:
        """Return how many runs of a queue may begin now."""
        told, inf = self.queue(queue), float("inf")
        if self.pool.get("paused") or self.by_hand.get(queue, told.get("paused")):
            return 0
        of_queue = (told.get("limit") or inf) - len(seen.slots[f"work-queue:default/{queue}"])
        pool = (self.pool.get("concurrency_limit") or inf) - len(seen.slots["work-pool:default"])
        return max(0, min(of_queue, pool))
