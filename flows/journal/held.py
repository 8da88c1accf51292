"""A run in the hands of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from ..runs.flowrun import FlowRun
from ..states import State, StateType


@dataclass(slots=True, eq=False)
class HeldRun:
    """A run that this process executes.

    Attributes:
        run: as the store last had it. batch: number of the last batch written.
        on_cancelling: called once, by the journal's thread, when the run is to be cancelled.
        halted: it was seen to be paused; its code stops at the next boundary.
        unfinished: its code did stop so. left: this process does not have it any more.
        waiting: taken by the thread that waits for it to go on.
    """

    run: FlowRun
    batch: int = 0
    on_cancelling: Callable[[], None] | None = None
    halted: bool = False
    unfinished: bool = False
    left: bool = False
    waiting: threading.Lock = field(default_factory=threading.Lock)


def fit(present: StateType, wanted: State) -> State:
    """Return what a run becomes that is ``present`` by now and wants to enter a state."""
    if present is not StateType.CANCELLING:
        return wanted
    if wanted.type in {StateType.CANCELLED, StateType.CRASHED}:
        return wanted
    return State("Cancelled", "cancelled while it ran", data=wanted.data)
