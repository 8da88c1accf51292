"""Whenever workers die or are late: limits hold, order is kept, nothing is lost."""

from __future__ import annotations

from collections import Counter
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

from tests.services.moved_queues import MovedQueues, Taker
from tests.services.seen_queues import (
    DEPLOYMENTS,
    NAMES,
    Seen,
    nothing_is_lost,
    slots_are_of_those_who_began,
    waits_were_told,
)

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


class AnyOrder(MovedQueues, RuleBasedStateMachine):
    """Moves in any order; what must hold is looked at after each command of a worker."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    @initialize(
        pool=POOL,
        runs=st.lists(RUN, min_size=3, max_size=8),
        limits=st.lists(LIMITED, min_size=2, max_size=2),
    )
    def it_begins(self, pool: dict[str, Any], runs: list[Any], limits: list[Any]) -> None:
        self.define_pool({**pool, "paused": False})
        for name, limit in zip(DEPLOYMENTS, limits, strict=True):
            self.define_deployment(name, limit)
        for run in runs:
            self.make_run(*run)

    @rule(run=RUN)
    @precondition(lambda self: len(self.made) < MOST_RUNS)
    def a_run_is_made(self, run: tuple[str, int, str | None]) -> None:
        self.make_run(*run)

    @rule(change=st.one_of(POOL, DEFINED, SWITCHED))
    def somebody_changes_a_definition(self, change: Any) -> None:
        if isinstance(change, dict):
            self.define_pool(change)
        elif isinstance(change[1], bool):
            self.switch_queue(*change)
        else:
            self.define_deployment(*change)

    @rule(which=WHICH, what=st.sampled_from(["cancel", "pause", "resume", "retry"]))
    def somebody_acts_on_a_run(self, which: int, what: str) -> None:
        self.act_on(self.made[which % len(self.made)], what)

    @rule(most=st.integers(1, 4))
    def entries_are_read(self, most: int) -> None:
        for _ in range(most):
            self.read()

    @rule(which=st.lists(WHICH, min_size=1, max_size=8))
    def workers_do_their_next_steps(self, which: list[int]) -> None:
        for each in which:
            if self.takers:
                self._step(self.takers[each % len(self.takers)])

    @rule(which=WHICH)
    @precondition(lambda self: self.takers)
    def a_worker_takes_a_run(self, which: int) -> None:
        taker = self.takers[which % len(self.takers)]
        while taker in self.takers:
            self._step(taker)

    @rule(which=WHICH, steps=st.integers(0, 3))
    @precondition(lambda self: self.takers)
    def a_worker_dies(self, which: int, steps: int) -> None:
        taker = self._after(steps, which)
        if taker in self.takers:
            self.kill(taker)

    @rule(which=WHICH, steps=st.integers(0, 2))
    @precondition(lambda self: self.takers)
    def a_worker_is_late(self, which: int, steps: int) -> None:
        """It is taken for dead after some steps, and goes on afterwards."""
        self.sweep(self._after(steps, which).waiting)

    @rule(which=WHICH)
    @precondition(lambda self: self.left)
    def an_entry_is_left_behind(self, which: int) -> None:
        self.sweep(self.left.pop(which % len(self.left)))

    @rule(which=WHICH, state=st.sampled_from(["Running", "Completed", "Crashed", "Scheduled"]))
    def a_run_goes_on(self, which: int, state: str) -> None:
        if going := self.under_way():
            self.go_on(going[which % len(going)], state)

    def _after(self, steps: int, which: int) -> Taker:
        """Return a worker that has done some more steps."""
        taker = self.takers[which % len(self.takers)]
        for _ in range(steps):
            if taker in self.takers:
                self._step(taker)
        return taker

    def _step(self, taker: Taker) -> None:
        self.step(taker)
        self.all_is_well()

    @invariant()
    def all_is_well(self) -> None:
        seen = self.see()
        self._limits_hold(seen)
        slots_are_of_those_who_began(seen)
        nothing_is_lost(seen)
        may = sum(min(self.free(seen, name), len(seen.ready[name])) for name in NAMES)
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
            self.do(self.close())
            self.runner.close()

    def _come_to_an_end(self) -> None:
        """Without pauses and deaths all that waits begins and ends, and leaves nothing."""
        for queue in NAMES:
            self.switch_queue(queue, False)
        self.define_pool({**self.pool, "paused": False})
        for waiting in self.left:
            self.sweep(waiting)
        for _ in range(400):
            while self.takers:
                self._step(self.takers[0])
            if not self.read():
                self._all_are_told_to_wait()
                if not self._end_one():
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

    def _end_one(self) -> bool:
        going = self.under_way()
        for run in going[:1]:
            self.go_on(run, "Completed")
        return bool(going)


def test_limits_hold_order_is_kept_and_nothing_is_lost(store_url: str) -> None:
    AnyOrder.url = store_url
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
