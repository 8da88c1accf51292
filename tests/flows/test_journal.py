"""The journal: everything in order and once, whatever happens to the store on the way."""

from __future__ import annotations

import sys
import threading
from contextlib import nullcontext
from typing import Any, NoReturn

import pytest

from tests.waiting import eventually
from upshot.events.exceptions import StaleEpoch, StoreUnavailable
from upshot.events.store import Argument, SyncStore
from upshot.flows.journal.backlog import Backlog, Entry, flatten
from upshot.flows.journal.held import HeldRun, fit
from upshot.flows.journal.journal import Journal
from upshot.flows.journal.patience import PatientStore
from upshot.flows.journal.tending import Tending
from upshot.flows.runs.flowrun import new_run
from upshot.flows.runs.transitions import create_arguments, transition_arguments
from upshot.flows.states import State, StateType

from .conftest import Seen


class Gone(Exception):
    """Stands for the end of the process."""


def gone(reason: str) -> NoReturn:
    raise Gone(reason)


class LosesAnswers(SyncStore):
    """A connection that breaks after every other call was done, before its answer came."""

    calls = 0

    def call(self, function: str, *args: Argument) -> Any:
        answer = super().call(function, *args)
        self.calls += 1
        if self.calls % 2:
            raise StoreUnavailable("the answer got lost")
        return answer


def started(seen: Seen, store: SyncStore) -> tuple[Journal, HeldRun]:
    run = new_run("f", state=State("Pending"))
    seen.store.call("create_run", *create_arguments(run, lease_ms=10_000))
    journal = Journal(store, lease_ms=10_000, lost=gone)
    return journal, journal.hold(run)


def body(name: str) -> bytes:
    return b'{"event":"%s"}' % name.encode()


def test_records_are_written_in_order_and_once_though_answers_get_lost(seen: Seen) -> None:
    journal, held = started(seen, LosesAnswers(seen.store.url))
    journal.transition(held, State("Running"), started=True)
    for number in range(1200):
        journal.put(held, "event", body(f"n.{number}"))
        if number % 300 == 0:
            journal.flush()
    journal.transition(held, State("Completed"))
    journal.close()
    assert seen.names("n.") == [f"n.{number}" for number in range(1200)]
    assert seen.names("flow-run.") == [
        "flow-run.pending", "flow-run.running", "flow-run.completed",
    ]  # fmt: skip
    run = seen.run(held.run.id)
    assert (run.state.name, run.version, run.attempt) == ("Completed", 3, 1)
    assert held.run.version == 3


def test_what_threads_put_is_all_there_when_flush_returns(seen: Seen) -> None:
    journal, held = started(seen, SyncStore(seen.store.url))

    def put_many() -> None:
        for _ in range(500):
            journal.put(held, "event", body("n.x"))

    threads = [threading.Thread(target=put_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.flush()
    assert len(seen.names("n.x")) == 2000
    journal.close()


def test_a_journal_that_rests_has_written_all_and_serves_the_next_run(seen: Seen) -> None:
    journal, first = started(seen, SyncStore(seen.store.url))
    journal.transition(first, State("Running"), started=True)
    journal.transition(first, State("Completed"))
    journal.hold(new_run("part", state=State("Running"), parent=first.run.id))
    journal.put(first, "event", body("n.first"))
    slots, threads = journal.slots, threading.active_count()
    journal.rest()
    assert seen.names("n.") == ["n.first"]
    assert journal.slots is not slots, "nobody waits for the slots of a run that is over"
    assert journal.parts_of(first) == [], "a part that was left behind has no lease any more"
    run = new_run("f", state=State("Pending"))
    seen.store.call("create_run", *create_arguments(run, lease_ms=10_000))
    second = journal.hold(run)
    journal.transition(second, State("Running"), started=True)
    journal.put(second, "event", body("n.second"))
    assert threading.active_count() == threads
    journal.close()
    assert seen.names("n.") == ["n.first", "n.second"]


def test_the_lease_is_renewed_and_a_cancellation_is_heard_once(seen: Seen) -> None:
    run = new_run("f", state=State("Running"))
    seen.store.call("create_run", *create_arguments(run, lease_ms=50))
    journal = Journal(SyncStore(seen.store.url), lease_ms=60, lost=gone)
    held = journal.hold(run)
    heard: list[int] = []
    held.on_cancelling = lambda: heard.append(1)
    leases = seen.store.keys("leases")
    first = float(seen.store.execute("ZSCORE", leases, run.id))
    eventually(lambda: float(seen.store.execute("ZSCORE", leases, run.id)) > first + 100)
    cancel = transition_arguments(run, State("Cancelling"), own=False, lease_ms=60)
    seen.store.call("transition", *cancel)
    eventually(lambda: heard)
    journal.transition(held, State("Completed", data=1))
    assert held.run.state.name == "Cancelled"
    assert held.run.state.data == 1
    journal.close()
    assert heard == [1]


def test_a_run_that_was_taken_over_ends_the_process(seen: Seen) -> None:
    journal, held = started(seen, SyncStore(seen.store.url))
    crash = transition_arguments(held.run, State("Crashed"), own=False)
    seen.store.call("transition", *crash)
    with pytest.raises(Gone, match="STALE"):
        journal.transition(held, State("Running"), started=True)
    journal.close()


@pytest.mark.parametrize("ended", [True, False])
def test_a_run_that_others_have_is_no_loss_where_it_has_ended_here(seen: Seen, ended: bool) -> None:
    class Overtaken(SyncStore):
        """Somebody else goes on with the run while its lease is to be renewed."""

        def call(self, function: str, *args: Argument) -> Any:
            if ended:
                tending.release(held)
            seen.store.call("transition", *transition_arguments(run, State("Crashed"), own=False))
            return super().call(function, *args)

    run = new_run("f", state=State("Running"))
    seen.store.call("create_run", *create_arguments(run, lease_ms=10_000))
    tending = Tending(PatientStore(Overtaken(seen.store.url)), lease_ms=0)
    held = tending.hold(run)
    with nullcontext() if ended else pytest.raises(StaleEpoch):
        tending.tend()
    assert seen.run(run.id).state.name == "Crashed"


def test_of_a_task_runs_records_in_a_batch_only_the_last_is_kept() -> None:
    held = HeldRun(new_run("f", state=State("Running")))
    batch = [Entry(held, name, "Running", name.encode(), b"") for name in ("a", "b", "a", "")]
    assert flatten(batch)[2::4] == [b"", b"b", b"a", b""]


def test_a_run_that_is_being_cancelled_ends_as_cancelled_or_crashed() -> None:
    for name in ("Completed", "Failed", "Running"):
        assert fit(StateType.CANCELLING, State(name)).name == "Cancelled"
    assert fit(StateType.CANCELLING, State("Crashed")).name == "Crashed"
    assert fit(StateType.RUNNING, State("Failed")).name == "Failed"


def test_what_is_unwritten_is_counted_right_whoever_adds() -> None:
    """A count that drifts would let a flow wait for ever, or take all memory."""
    backlog, entry = (
        Backlog(),
        Entry(HeldRun(new_run("f", state=State("Running"))), "", "log", b"", bytes(1000)),
    )
    before = sys.getswitchinterval()

    def add() -> None:
        for _ in range(2000):
            backlog.add(entry)

    threads = [threading.Thread(target=add) for _ in range(4)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads) or backlog:
            backlog.settle(backlog.take())
    finally:
        sys.setswitchinterval(before)
    assert backlog.size == 0
