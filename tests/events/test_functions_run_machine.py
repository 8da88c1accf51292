"""Any sequence of calls leaves each run's state equal to its last event, in exactly one index."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.events.runs import (
    FAR,
    KINDS,
    LEASED,
    check_consistent,
    create,
    fields,
    members,
    move,
    queued,
)
from upshot.events.exceptions import Conflict, EventsError, IllegalTransition, NotFound, StaleEpoch
from upshot.events.store import Argument, SyncStore
from upshot.flows.states import ENDED, LEGAL, StateType

RUNS = st.sampled_from(["a", "b"])
STATES = st.sampled_from(KINDS)
DUE = st.sampled_from([0, FAR])
OFF_BY = st.sampled_from([0, 0, 0, 0, 1, -1])


@dataclass
class Model:
    """A run as the rules say it should be."""

    kind: str
    version: int = 1
    epoch: int = 1
    later: bool = False
    tasks: dict[str, str] = field(default_factory=dict)

    def refusal(
        self, to: str, version: int, epoch: int | None, lapsed: bool
    ) -> type[EventsError] | None:
        if epoch not in (None, self.epoch):
            return StaleEpoch
        if version != self.version:
            return Conflict
        if StateType(to) not in LEGAL[StateType(self.kind)]:
            return IllegalTransition
        if (to == "Pending" and self.later) or (lapsed and self.kind in LEASED):
            return Conflict
        return None

    def enter(self, to: str, epoch: int | None, later: bool) -> None:
        ended_from_outside = to in ENDED and epoch is None and self.kind != "Scheduled"
        self.epoch += to in ("Pending", "Scheduled") or ended_from_outside
        self.version += 1
        self.kind, self.later = to, later and to == "Scheduled"


class RunMachine(RuleBasedStateMachine):
    """Runs of one pool under every call there is, each with right and wrong arguments."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.store = SyncStore(self.url)
        self.store.execute("FLUSHALL")
        self.store.load_functions()
        self.runs: dict[str, Model] = {}
        self.waiting: list[str] = []
        self.batch = 0

    def teardown(self) -> None:
        self.store.close()

    @rule(run=RUNS, kind=STATES, due=DUE)
    def create(self, run: str, kind: str, due: int) -> None:
        there = self.runs.get(run)
        answer = create(self.store, run, kind, due=due)
        if there is not None:
            assert answer == [0, there.version, there.epoch]
            return
        assert answer == [1, 1, 1]
        self.runs[run] = Model(kind, later=kind == "Scheduled" and due == FAR)
        self._note_queue(run)

    @rule(
        run=RUNS,
        to=STATES,
        due=DUE,
        own=st.booleans(),
        lapsed=st.booleans(),
        version_off=OFF_BY,
        epoch_off=OFF_BY,
    )
    def change(
        self,
        run: str,
        to: str,
        due: int,
        own: bool,
        lapsed: bool,
        version_off: int,
        epoch_off: int,
    ) -> None:
        model = self.runs.get(run, Model("Scheduled"))
        version = model.version + version_off
        epoch = model.epoch + epoch_off if own else None
        refusal = model.refusal(to, version, epoch, lapsed) if run in self.runs else NotFound
        given: dict[str, Any] = {
            "epoch": "" if epoch is None else epoch,
            "due": due,
            "lapsed": int(lapsed),
        }
        if refusal is not None:
            with pytest.raises(refusal):
                move(self.store, to, version, run=run, event="refused", **given)
            return
        model.enter(to, epoch, later=due == FAR)
        assert move(self.store, to, version, run=run, **given) == [model.version, model.epoch]
        self._note_queue(run)

    def _note_queue(self, run: str) -> None:
        if self.runs[run].kind == "Scheduled" and not self.runs[run].later:
            self.waiting.append(run)

    @rule(run=RUNS)
    def send_again(self, run: str) -> None:
        model = self.runs.get(run)
        if model is not None and model.version > 1:
            answer = move(self.store, model.kind, model.version - 1, run=run)
            assert answer == [model.version, model.epoch]

    @rule(run=RUNS)
    def fall_due(self, run: str) -> None:
        if run in self.runs and self.runs[run].later:
            self.store.execute("ZADD", self.store.keys("due"), 1, run)
            assert self.store.call("enqueue_due", 10)[0] == 1
            self.runs[run].later = False
            self.waiting.append(run)

    @rule(run=RUNS, epoch_off=OFF_BY)
    def renew(self, run: str, epoch_off: int) -> None:
        model = self.runs.get(run)
        if model is None or epoch_off:
            with pytest.raises(NotFound if model is None else StaleEpoch):
                self.store.call("renew_run", run, (model or Model("")).epoch + epoch_off, 60_000)
            return
        answer = self.store.call("renew_run", run, model.epoch, 60_000)
        assert answer == [model.kind.encode(), str(model.version).encode()]

    @rule(run=RUNS, states=st.lists(st.tuples(st.sampled_from("xy"), STATES), max_size=3))
    def record_tasks(self, run: str, states: list[tuple[str, str]]) -> None:
        if run not in self.runs:
            return
        model = self.runs[run]
        after, legal = dict(model.tasks), True
        for task, to in states:
            legal &= task not in after or StateType(to) in LEGAL[StateType(after[task])]
            after[task] = to
        flat: list[Argument] = [
            part for task, to in states for part in (task, to, "{}", f'{{"task":"{task}"}}')
        ]
        self.batch += 1
        batch: list[Argument] = [run, model.epoch, self.batch, *flat]
        if not legal:
            with pytest.raises(IllegalTransition):
                self.store.call("record_tasks", *batch)
            return
        assert self.store.call("record_tasks", *batch) == len(states)
        assert self.store.call("record_tasks", *batch) == 0
        model.tasks = after

    @invariant()
    def the_store_is_as_the_model_says(self) -> None:
        for run, model in self.runs.items():
            check_consistent(self.store, run)
            stored = fields(self.store, "run", run)
            assert stored["type"] == model.kind
            assert (stored["version"], stored["epoch"]) == (str(model.version), str(model.epoch))
            assert (run in members(self.store, "due")) == model.later
            tasks = fields(self.store, "tasks", run)
            assert {task: value.split()[0] for task, value in tasks.items()} == model.tasks
        assert queued(self.store) == self.waiting
        counted = [
            int(number)
            for name, number in fields(self.store, "counters").items()
            if name.startswith("run_transitions:flow-run:")
        ]
        assert sum(counted) == sum(model.version for model in self.runs.values())


@pytest.fixture
def machine(store_url: str) -> type[RunMachine]:
    return type("Machine", (RunMachine,), {"url": store_url})


def test_no_sequence_of_calls_parts_a_state_from_its_event(machine: type[RunMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
