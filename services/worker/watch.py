"""Decides what a worker does about a run of its own: nothing, keep its lease, stop or kill it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from upshot.flows.states import ENDED, StateType

STOP_GRACE: Final = 10.0
"""Seconds that a flow process has between being asked to stop and being killed."""
LINGER: Final = 30.0
"""Seconds that a flow process may take to end once its run has."""


@dataclass(eq=False, slots=True)
class Job:
    """A run that this worker has, from the claim to the end of its process.

    Attributes:
        number: of the job within this worker; a run that comes again is another job.
        asked: when its process was asked to stop, ``overdue``: when it should have ended by itself
            ``renewed``: when its lease was renewed here (all on the monotonic clock).
        killed: whether its process was killed. removed: why the worker ends it, if it does.
    """

    number: int
    run_id: str
    epoch: int
    name: str
    entrypoint: str
    asked: float | None = None
    overdue: float | None = None
    renewed: float = float("-inf")
    killed: bool = False
    removed: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the store says about a job's run; ``epoch`` 0 when it is gone."""

    kind: StateType
    epoch: int

    @property
    def ended(self) -> bool:
        return self.kind in ENDED


class Step(StrEnum):
    """What to do now."""

    NOTHING = "nothing"
    RENEW = "renew"  # it has no process yet that could, or one that may be too busy to
    ASK = "ask"
    KILL = "kill"


def judge_time(job: Job, now: float) -> tuple[Step, str]:
    """Decide by the clock alone: what was asked to stop must end in time."""
    if job.asked is not None and now - job.asked >= STOP_GRACE:
        return Step.KILL, f"it did not stop within {STOP_GRACE:.0f} s"
    if job.overdue is not None and now >= job.overdue:
        return Step.KILL, f"its process did not end within {LINGER:.0f} s after the run"
    return Step.NOTHING, ""


def judge(job: Job, seen: Seen, *, running: bool = False) -> tuple[Step, str]:
    """Decide by what the store says; a run that is no longer ours must not go on.

    Args:
        running: its process is there and was not stopped. It renews the lease itself, but for as
            long as a single call into C holds Python's lock it can not, and is well all the same.
    """
    if seen.epoch != job.epoch:
        return Step.KILL, "the run was taken from it"
    if seen.kind is StateType.CANCELLING and job.asked is None:
        return Step.ASK, "the run is to be cancelled"
    if seen.kind is StateType.PENDING:
        return Step.RENEW, "it is being started"
    if seen.kind in {StateType.RUNNING, StateType.PAUSED} and running:
        return Step.RENEW, "its process is alive"
    return Step.NOTHING, ""
