"""Whatever happens to runs that wait, workers are called for all that may begin, and in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from upshot.events.event import Event
from upshot.events.keys import WORKERS
from upshot.events.store import SyncStore
from upshot.flows.runs.flowrun import FlowRun, new_run, parse_run
from upshot.flows.runs.transitions import create_arguments, transition_arguments
from upshot.flows.states import State

NAMES = ("default", "a", "b")
QUEUE = st.fixed_dictionaries(
    {
        "name": st.sampled_from(NAMES),
        "priority": st.sampled_from([1, 100, 200]),
        "limit": st.sampled_from([1, 2, None]),
        "paused": st.sampled_from([False, False, True]),
    }
)
QUEUES = st.lists(QUEUE, max_size=3, unique_by=lambda each: each["name"])
STEP = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from(NAMES), st.integers(-2, 2)),
    st.tuples(st.just("define"), QUEUES),
    st.tuples(
        st.sampled_from(["read", "pick", "pick", "take", "take", "die", "end", "cancel"]),
        st.integers(0, 5),
    ),
)


@dataclass
class Pool:
    """A pool as it should be, beside the real one."""

    store: SyncStore
    defined: dict[str, dict[str, Any]] = field(default_factory=dict)
    waiting: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    read: list[tuple[str, str]] = field(default_factory=list)
    picked: dict[str, str] = field(default_factory=dict)
    queue_of: dict[str, str] = field(default_factory=dict)
    holding: set[str] = field(default_factory=set)
    going: list[str] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: count(1))
    version: int = 0

    def __post_init__(self) -> None:
        self.key = self.store.keys("queue", "default")
        self.store.execute("XGROUP", "CREATE", self.key, WORKERS, "0", "MKSTREAM")

    def free(self, queue: str) -> float:
        told = self.defined.get(queue, {})
        if told.get("paused"):
            return 0
        used = sum(self.queue_of[run] == queue for run in self.holding)
        return told["limit"] - used if told.get("limit") else float("inf")

    def next(self) -> str | None:
        """Return the run that should be next."""
        places = [
            (self.defined.get(queue, {}).get("priority", 100), priority, number, run)
            for run, (queue, priority, number) in self.waiting.items()
            if self.free(queue) > 0
        ]
        # The queue is chosen by its own priority, and among equal ones by their runs' places.
        return min(places)[3] if places else None

    def check(self) -> None:
        """Workers are called for all that may begin."""
        may = sum(
            max(
                0, min(self.free(name), sum(queue == name for queue, _, _ in self.waiting.values()))
            )
            for name in NAMES
        )
        entries = self.store.execute("XLEN", self.key)
        assert entries - len(self.picked) >= may
        assert self.store.execute("HLEN", self.store.keys("picks", "default")) == len(self.picked)

    def do(self, step: tuple[Any, ...]) -> None:
        getattr(self, f"_{step[0]}")(*step[1:])

    def _wait(self, queue: str, priority: int) -> None:
        place: dict[str, Any] = {"pool": "default", "queue": queue, "priority": priority}
        run = new_run("f", state=State("Scheduled"), **place)
        self.store.call("create_run", *create_arguments(run))
        self.waiting[run.id] = (queue, priority, next(self.numbers))
        self.queue_of[run.id] = queue

    def _define(self, queues: list[dict[str, Any]]) -> None:
        doc = to_json({"name": "default", "queues": queues})
        event = Event(event="work-pool.updated", resource={"id": "work-pool.1"})
        self.store.call("put", "work-pool", "default", "", doc, event.to_json())
        self.defined = {queue["name"]: queue for queue in queues}

    def _read(self, _: int) -> None:
        group = ("XREADGROUP", "GROUP", WORKERS, "w", "COUNT", 1, "STREAMS", self.key, ">")
        for entry, fields in (self.store.execute(*group) or {}).get(self.key.encode(), []):
            self.read.append((entry.decode(), fields[1].decode()))

    def _pick(self, which: int) -> None:
        undecided = [each for each in self.read if each[0] not in self.picked]
        if not undecided:
            return
        entry, named = undecided[which % len(undecided)]
        expected = self.next()
        found = self.store.call("pick", "default", entry, named)
        assert (found[0].decode() if found else None) == expected
        if expected is None:
            self.read.remove((entry, named))
            return
        self.picked[entry] = expected
        queue, _, _ = self.waiting.pop(expected)
        if self.defined.get(queue, {}).get("limit"):
            self.holding.add(expected)

    def _take(self, which: int) -> None:
        """Begin with a run that was chosen, unless it was cancelled meanwhile."""
        if not self.picked:
            return
        entry = list(self.picked)[which % len(self.picked)]
        run = self._stored(self.picked.pop(entry))
        if not run.state.ended:
            self._change(run, "Pending")
            self.going.append(run.id)
        self.store.call("finish_entry", "default", entry)
        self.read = [each for each in self.read if each[0] != entry]

    def _die(self, which: int) -> None:
        """A worker dies with an entry in its hand, and somebody sweeps."""
        if not self.read:
            return
        entry, named = self.read.pop(which % len(self.read))
        self.store.call("requeue", "default", entry, named)
        run_id = self.picked.pop(entry, None)
        if run_id is not None and not self._stored(run_id).state.ended:
            self.holding.discard(run_id)
            run = self._stored(run_id)
            self.waiting[run_id] = (run.queue, run.priority, next(self.numbers))

    def _end(self, which: int) -> None:
        if self.going:
            run_id = self.going.pop(which % len(self.going))
            self._change(self._stored(run_id), "Crashed")
            self.holding.discard(run_id)

    def _cancel(self, which: int) -> None:
        there = [*self.waiting, *self.picked.values()]
        if there:
            run_id = there[which % len(there)]
            if not (run := self._stored(run_id)).state.ended:
                self._change(run, "Cancelled")
            self.waiting.pop(run_id, None)
            self.holding.discard(run_id)

    def _stored(self, run_id: str) -> FlowRun:
        return parse_run(self.store.execute("HGETALL", self.store.keys("run", run_id)))

    def _change(self, run: FlowRun, state: str) -> None:
        arguments = transition_arguments(run, State(state), own=False, lease_ms=60_000)
        self.store.call("transition", *arguments)


MANY = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(-2, 2)), min_size=2, max_size=8)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(QUEUES, MANY, st.lists(STEP, max_size=20))
def test_workers_are_called_for_all_that_may_begin_in_the_right_order(
    sync_store: SyncStore,
    queues: list[dict[str, Any]],
    runs: list[tuple[str, int]],
    steps: list[tuple[Any, ...]],
) -> None:
    sync_store.execute("FLUSHALL")
    pool = Pool(sync_store)
    for step in [("define", queues), *(("wait", *run) for run in runs), *steps]:
        pool.do(step)
        pool.check()
    while _begin_all(pool):
        pool.do(("end", 0))
        pool.check()


def _begin_all(pool: Pool) -> bool:
    """Begin what may by reading on, without a sweep; tell whether anything is under way then."""
    while True:
        if not [each for each in pool.read if each[0] not in pool.picked]:
            before = len(pool.read)
            pool.do(("read", 0))
            if len(pool.read) == before:
                break
        pool.do(("pick", 0))
        while pool.picked:
            pool.do(("take", 0))
        pool.check()
    assert pool.next() is None
    return bool(pool.going)
