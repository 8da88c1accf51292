"""Whenever workers die or are late: limits hold, order is kept, nothing is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pydantic_core import to_json

from tests.services.seen_queues import (
    DEPLOYMENTS,
    NAMES,
    UNDER_WAY,
    Seen,
    look,
    nothing_is_lost,
    slots_are_of_those_who_began,
    waits_were_told,
)
from tests.services.stepping import Stepped
from upshot.events.event import Event
from upshot.events.exceptions import EventsError
from upshot.events.keys import WORKERS
from upshot.events.store import Store
from upshot.flows.exceptions import FlowsError
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.worker.claims import Claims, Waiting

QUEUE = st.fixed_dictionaries(
    {
        "name": st.sampled_from(NAMES),
        "priority": st.sampled_from([1, 100, 200]),
        "limit": st.sampled_from([1, 2, None]),
        "paused": st.sampled_from([False] * 5 + [True]),
    }
)
POOL = st.fixed_dictionaries(
    {
        "concurrency_limit": st.sampled_from([1, 2, 3, None]),
        "queues": st.lists(QUEUE, max_size=2, unique_by=lambda each: each["name"]),
        "paused": st.sampled_from([False] * 5 + [True]),
    }
)
LIMITED = st.fixed_dictionaries(
    {
        "limit": st.sampled_from([1, 2]),
        "collision_strategy": st.sampled_from(
            ["ENQUEUE", "ENQUEUE", "CANCEL_NEW", "CANCEL_RUNNING"]
        ),
    }
)
RUN = st.tuples(
    st.sampled_from(NAMES), st.integers(-2, 2), st.sampled_from([None, *DEPLOYMENTS * 2])
)
DEFINED = st.tuples(st.sampled_from(DEPLOYMENTS), st.one_of(st.none(), LIMITED))
SWITCHED = st.tuples(st.sampled_from(NAMES), st.booleans())
MOST_RUNS = 12
WHICH = st.integers(0, 20)


@dataclass(eq=False)
class Taker:
    """A worker that has read an entry."""

    waiting: Waiting
    work: Stepped[None]
    claimed: FlowRun | None = None


class Queues(RuleBasedStateMachine):
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
        self.counts: Counter[str] = Counter()
        self.numbers = count(1)

    def do(self, work: Any) -> Any:
        return self.runner.run(work)

    async def _open(self) -> Store:
        store = Store(self.url)
        await store.execute("FLUSHALL")
        await store.load_functions()
        key = store.keys("queue", "default")
        await store.execute("XGROUP", "CREATE", key, WORKERS, "0", "MKSTREAM")
        return store

    # What people do.

    @initialize(
        pool=POOL,
        runs=st.lists(RUN, min_size=3, max_size=8),
        limits=st.lists(LIMITED, min_size=2, max_size=2),
    )
    def it_begins(self, pool: dict[str, Any], runs: list[Any], limits: list[Any]) -> None:
        self.the_pool_is_defined({**pool, "paused": False})
        for name, limit in zip(DEPLOYMENTS, limits, strict=True):
            self.a_deployment_is_defined(name, limit)
        for run in runs:
            self.a_run_is_made(run)

    @rule(run=RUN)
    @precondition(lambda self: len(self.made) < MOST_RUNS)
    def a_run_is_made(self, run: tuple[str, int, str | None]) -> None:
        queue, priority, deployment = run
        place: dict[str, Any] = {"pool": "default", "queue": queue, "priority": priority}
        scheduled = State("Scheduled")
        made = new_run("f", state=scheduled, entrypoint="x.py:f", deployment=deployment, **place)
        self.do(self.runs.create(made))
        self.made.append(made.id)

    def _put(self, kind: str, name: str, doc: dict[str, Any] | None) -> None:
        body = to_json({"name": name, **doc}) if doc is not None else b""
        event = Event(event=f"{kind}.updated", resource={"id": f"{kind}.1"})
        self.do(self.store.call("put", kind, name, "", body, event.to_json()))

    @rule(change=st.one_of(POOL, DEFINED, SWITCHED))
    def somebody_changes_a_definition(self, change: Any) -> None:
        if isinstance(change, dict):
            self.the_pool_is_defined(change)
        elif isinstance(change[1], bool):
            self.a_queue_is_switched(*change)
        else:
            self.a_deployment_is_defined(*change)

    def the_pool_is_defined(self, pool: dict[str, Any]) -> None:
        self._put("work-pool", "default", pool)
        self.pool = pool

    def a_queue_is_switched(self, queue: str, paused: bool) -> None:
        self._put("work-queue", f"default/{queue}", {"paused": paused})
        self.by_hand[queue] = paused

    def a_deployment_is_defined(self, name: str, limit: dict[str, Any] | None) -> None:
        self._put("deployment", name, {"concurrency_limit": limit})
        self.deployments[name] = limit

    @rule(which=WHICH, what=st.sampled_from(["cancel", "pause", "resume", "retry"]))
    def somebody_acts_on_a_run(self, which: int, what: str) -> None:
        run_id = self.made[which % len(self.made)]
        self._try(getattr(self.runs, what)(run_id))
        if what == "pause":  # its process leaves, where it has one
            self.do(self.store.call("leave_run", run_id, self.do(self.runs.get(run_id)).epoch, 0))

    def _try(self, work: Any) -> None:
        with suppress(EventsError, FlowsError):  # it may not be the moment for that
            self.do(work)

    # What workers do, one command at a time.

    @rule(most=st.integers(1, 4))
    def entries_are_read(self, most: int) -> None:
        for _ in range(most):
            self._read()

    def _read(self) -> bool:
        group = ("XREADGROUP", "GROUP", WORKERS, "w", "COUNT", 1, "STREAMS", self.key, ">")
        for entry, fields in (self.do(self.store.execute(*group)) or {}).get(self.key.encode(), []):
            self.do(self._take(Waiting(entry.decode(), fields[1].decode())))
            return True
        return False

    async def _take(self, waiting: Waiting) -> None:
        async def work(store: Any) -> None:
            claims = Claims(store, Runs(store), "default", "w")
            taker.claimed = await claims.claim(waiting)
            await claims.settle(waiting)

        taker = Taker(waiting, Stepped(self.store, work))
        self.takers.append(taker)
        await taker.work.begin()

    @rule(which=st.lists(WHICH, min_size=1, max_size=8))
    def workers_do_their_next_steps(self, which: list[int]) -> None:
        for each in which:
            if self.takers:
                self._step(self.takers[each % len(self.takers)])
                self.all_is_well()

    @rule(which=WHICH)
    @precondition(lambda self: self.takers)
    def a_worker_takes_a_run(self, which: int) -> None:
        taker = self.takers[which % len(self.takers)]
        while taker in self.takers:
            self._step(taker)
            self.all_is_well()

    def _step(self, taker: Taker) -> None:
        expected = self._next_run(taker)
        if self.do(taker.work.step()):
            self.takers.remove(taker)
            taker.work.task.result()
        if expected is not None:
            key = self.store.keys("picks", "default")
            assert self.do(self.store.execute("HGET", key, taker.waiting.entry)) == expected

    def _next_run(self, taker: Taker) -> bytes | None:
        """Return the run that a worker must choose now, where it chooses one."""
        if taker.work.next[0] != "pick":
            return None
        there = self.do(self.store.execute("XRANGE", self.key, *[taker.waiting.entry] * 2))
        seen = self.see()
        places = [
            (self._queue(queue).get("priority", 100), place, run)
            for queue, waiting in seen.ready.items()
            for run, place in waiting
            if self._free(seen, queue) > 0
        ]
        return min(places)[2].encode() if there and places else None

    @rule(which=WHICH, steps=st.integers(0, 3))
    @precondition(lambda self: self.takers)
    def a_worker_dies(self, which: int, steps: int) -> None:
        taker = self._after(steps, which)
        if taker in self.takers:
            self.takers.remove(taker)
            self.do(taker.work.die())
            self.left.append(taker.waiting)

    def _after(self, steps: int, which: int) -> Taker:
        """Return a worker that has done some more steps."""
        taker = self.takers[which % len(self.takers)]
        for _ in range(steps):
            if taker in self.takers:
                self._step(taker)
                self.all_is_well()
        return taker

    @rule(which=WHICH, steps=st.integers(0, 2))
    @precondition(lambda self: self.takers)
    def a_worker_is_late(self, which: int, steps: int) -> None:
        """It is taken for dead after some steps, and goes on afterwards."""
        self._sweep(self._after(steps, which).waiting)

    @rule(which=WHICH)
    @precondition(lambda self: self.left)
    def an_entry_is_left_behind(self, which: int) -> None:
        self._sweep(self.left.pop(which % len(self.left)))

    def _sweep(self, waiting: Waiting) -> None:
        self.do(self.store.call("requeue", "default", waiting.entry, waiting.run_id))

    @rule(which=WHICH, state=st.sampled_from(["Running", "Completed", "Crashed", "Scheduled"]))
    def a_run_goes_on(self, which: int, state: str) -> None:
        if going := self._under_way():
            self._go_on(going[which % len(going)], state)

    def _go_on(self, run_id: str, state: str) -> None:
        run = self.do(self.runs.get(run_id))
        if run.state.type == "Cancelling":
            state = "Cancelled"
        if run.state.type in UNDER_WAY:
            own = state in ("Running", "Completed")
            self.do(self.runs.transition(run, State(state), own=own))

    # What must hold.

    def _queue(self, name: str) -> dict[str, Any]:
        return next((each for each in self.pool["queues"] if each["name"] == name), {})

    def _free(self, seen: Seen, queue: str) -> float:
        told, inf = self._queue(queue), float("inf")
        if self.pool.get("paused") or self.by_hand.get(queue, told.get("paused")):
            return 0
        of_queue = (told.get("limit") or inf) - len(seen.slots[f"work-queue:default/{queue}"])
        pool = (self.pool.get("concurrency_limit") or inf) - len(seen.slots["work-pool:default"])
        return max(0, min(of_queue, pool))

    def see(self) -> Seen:
        seen: Seen = self.do(look(self.store, self.made))
        return seen

    @invariant()
    def all_is_well(self) -> None:
        seen = self.see()
        self._limits_hold(seen)
        slots_are_of_those_who_began(seen)
        nothing_is_lost(seen)
        may = sum(min(self._free(seen, name), len(seen.ready[name])) for name in NAMES)
        pool = (self.pool.get("concurrency_limit") or 99) - len(seen.slots["work-pool:default"])
        assert seen.called >= min(may, max(0, pool))

    def _limits_hold(self, seen: Seen) -> None:
        """No more begin than a limit allows; who has begun when it is lowered goes on."""
        limits = {"work-pool:default": self.pool.get("concurrency_limit")}
        for queue in self.pool["queues"]:
            limits[f"work-queue:default/{queue['name']}"] = queue["limit"]
        for name, limit in self.deployments.items():
            limits[f"deployment:{name}"] = limit and limit["limit"]
        counts = Counter({name: len(tokens) for name, tokens in seen.slots.items()})
        for name, limit in limits.items():
            if limit and counts[name] > self.counts[name]:
                assert counts[name] <= limit, f"{name}: {counts[name]} of {limit}"
        self.counts = counts

    def teardown(self) -> None:
        try:
            self._come_to_an_end()
            self.do(waits_were_told(self.store))
        finally:
            self.do(self._close())
            self.runner.close()

    def _come_to_an_end(self) -> None:
        """Without pauses and deaths all that waits begins and ends, and leaves nothing."""
        for queue in NAMES:
            self.a_queue_is_switched(queue, False)
        self.the_pool_is_defined({**self.pool, "paused": False})
        for waiting in self.left:
            self._sweep(waiting)
        for _ in range(400):
            while self.takers:
                self._step(self.takers[0])
                self.all_is_well()
            if not self._read():
                self._all_are_told_to_wait()
                if not self._end_all():
                    break
        assert not [run for run in self.see().runs.values() if run["type"] == "Scheduled"]
        keys = self.do(self.store.execute("KEYS", self.store.keys("*")))
        left = [key.decode().split(":", 2)[2] for key in keys]
        kinds = ("slots", "line:", "asked", "ready", "told", "picks")
        assert not [key for key in left if key.startswith(kinds)]
        assert self.do(self.store.execute("XLEN", self.key)) == 0

    def _all_are_told_to_wait(self) -> None:
        """Once all entries are looked at, it is known of each run that a limit holds it."""
        seen = self.see()
        for queue in NAMES:
            told = self.do(
                self.store.execute("SMEMBERS", self.store.keys("told", f"default/{queue}"))
            )
            assert {run.decode() for run in told} == {run for run, _ in seen.ready[queue]}

    def _end_all(self) -> bool:
        going = self._under_way()
        for run in going[:1]:
            self._go_on(run, "Completed")
        return bool(going)

    def _under_way(self) -> list[str]:
        return [each for each, run in self.see().runs.items() if run["type"] in UNDER_WAY]

    async def _close(self) -> None:
        for taker in self.takers:
            await taker.work.die()
        await self.store.close()


def test_limits_hold_order_is_kept_and_nothing_is_lost(store_url: str) -> None:
    Queues.url = store_url
    run_state_machine_as_test(
        Queues,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
