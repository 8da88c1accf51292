"""What a worker decides about its runs, and what becomes of a run without a process."""

from __future__ import annotations

from dataclasses import replace

import pytest

from upshot.flows.calls.overdue import OVERDUE
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.states import LEGAL, NAMES, State, StateType
from upshot.services.endings import Loss, describe_exit, fate, loss_of
from upshot.services.worker.slots import Slots
from upshot.services.worker.watch import LINGER, STOP_GRACE, Job, Seen, Step, judge, judge_time


def job(**more: object) -> Job:
    made = Job(1, "run", 2, "brisk-otter", "made.py:flow")
    for name, value in more.items():
        setattr(made, name, value)
    return made


def run(name: str, pool: str = "default") -> FlowRun:
    return new_run("made", state=State(name), pool=pool)


@pytest.mark.parametrize(
    ("kind", "epoch", "step"),
    [
        (StateType.RUNNING, 2, Step.NOTHING),
        (StateType.COMPLETED, 2, Step.NOTHING),
        (StateType.PENDING, 2, Step.RENEW),
        (StateType.CANCELLING, 2, Step.ASK),
        (StateType.RUNNING, 3, Step.KILL),
        (StateType.SCHEDULED, 3, Step.KILL),
        (StateType.CRASHED, 0, Step.KILL),
    ],
)
def test_what_the_store_says_about_a_run_decides(kind: StateType, epoch: int, step: Step) -> None:
    assert judge(job(), Seen(kind, epoch))[0] is step


def test_a_run_whose_process_runs_is_kept_and_one_that_was_stopped_is_not() -> None:
    assert judge(job(), Seen(StateType.RUNNING, 2), running=True)[0] is Step.RENEW
    assert judge(job(), Seen(StateType.RUNNING, 3), running=True)[0] is Step.KILL
    assert judge(job(), Seen(StateType.CANCELLING, 2), running=True)[0] is Step.ASK


def test_a_run_is_asked_to_stop_once() -> None:
    assert judge(job(asked=5.0), Seen(StateType.CANCELLING, 2))[0] is Step.NOTHING


def test_what_does_not_stop_in_time_is_killed() -> None:
    assert judge_time(job(asked=100.0), 100.0 + STOP_GRACE - 0.1)[0] is Step.NOTHING
    step, reason = judge_time(job(asked=100.0), 100.0 + STOP_GRACE)
    assert (step, reason) == (Step.KILL, "it did not stop within 10 s")


def test_a_process_that_outlives_its_run_is_killed() -> None:
    assert judge_time(job(overdue=100.0), 99.9)[0] is Step.NOTHING
    assert judge_time(job(overdue=100.0), 100.0)[0] is Step.KILL
    assert LINGER > STOP_GRACE


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("loss", list(Loss))
def test_every_fate_is_a_legal_transition(name: str, loss: Loss) -> None:
    for pool in ("default", ""):
        lost = run(name, pool)
        state = fate(lost, loss, "gone")
        if state is None:
            assert lost.state.ended or lost.state.type in (StateType.SCHEDULED, StateType.PAUSED)
        else:
            assert state.type in LEGAL[lost.state.type]
            assert state.ended or state.type is StateType.SCHEDULED


@pytest.mark.parametrize(
    ("name", "pool", "loss", "expected"),
    [
        ("Running", "default", Loss.ENDED, "Crashed"),
        ("Running", "default", Loss.LAPSED, "Crashed"),
        ("Retrying", "", Loss.LAPSED, "Crashed"),
        ("Pending", "default", Loss.LAPSED, "Scheduled"),
        ("Pending", "", Loss.LAPSED, "Crashed"),
        ("Pending", "default", Loss.ENDED, "Crashed"),
        ("Cancelling", "default", Loss.ENDED, "Cancelled"),
        ("Cancelling", "default", Loss.LAPSED, "Cancelled"),
    ],
)
def test_a_run_without_a_process(name: str, pool: str, loss: Loss, expected: str) -> None:
    state = fate(run(name, pool), loss, "gone")
    assert state is not None
    assert state.name == expected


@pytest.mark.parametrize("loss", list(Loss))
def test_a_paused_run_stays_paused_however_its_process_went(loss: Loss) -> None:
    assert fate(run("Suspended"), loss, "gone") is None
    assert fate(run("Paused"), loss, "gone") is None
    by_hand = fate(run("Paused", ""), loss, "gone")  # nobody could go on with it
    assert by_hand is not None
    assert by_hand.name == "Crashed"


def test_an_exit_is_told_in_words() -> None:
    assert describe_exit(-11) == "its process was killed by signal 11 (SIGSEGV)"
    assert describe_exit(-64).startswith("its process was killed by signal 64")
    assert describe_exit(3) == "its process ended with exit code 3 before the run did"
    assert "helper process" in describe_exit(None)


async def test_slots_are_free_until_all_are_taken() -> None:
    slots = Slots(2)
    slots.take()
    await slots.free()
    slots.take()
    assert not slots._room.is_set()
    slots.release()
    await slots.free()
    assert slots.used() == 1


@pytest.mark.parametrize("loss", list(Loss))
def test_a_run_whose_worker_left_waits_for_another_one(loss: Loss) -> None:
    left = replace(run("Running"), handed=True)
    state = fate(left, loss, "it was stopped")
    assert state is not None
    assert state.name == "AwaitingRetry"
    cancelled = fate(replace(run("Cancelling"), handed=True), loss, "gone")
    assert cancelled is not None
    assert cancelled.name == "Cancelled"


def test_what_did_not_yield_to_its_timeout_has_timed_out() -> None:
    assert loss_of(-OVERDUE) is Loss.OVERDUE
    assert loss_of(-9) is Loss.ENDED
    state = fate(run("Running"), Loss.OVERDUE, describe_exit(-OVERDUE))
    assert state is not None
    assert state.name == "TimedOut"
