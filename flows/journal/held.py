"""A run in the hands of this process, and what is to be written about it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from upshot.events.store import Argument

from ..runs.flowrun import FlowRun
from ..states import State, StateType


@dataclass(slots=True, eq=False)
class HeldRun:
    """A run that this process executes.

    Attributes:
        run: as the store last had it. batch: number of the last batch written.
        on_cancelling: called once, by the journal's thread, when the run is to be cancelled.
        halted: it was seen to be paused; its code stops at the next boundary.
        undone: its code did stop so. left: this process does not have it any more.
        standing: taken by the thread that waits for it to go on.
    """

    run: FlowRun
    batch: int = 0
    on_cancelling: Callable[[], None] | None = None
    halted: bool = False
    undone: bool = False
    left: bool = False
    standing: threading.Lock = field(default_factory=threading.Lock)


class Entry:
    """What is to be written: see ``upshot_record_tasks`` for the parts.

    Attributes:
        size: bytes of it.
    """

    __slots__ = ("event", "held", "id", "kind", "record", "size")

    def __init__(self, held: HeldRun, id: str, kind: str, record: bytes, event: bytes) -> None:  # noqa: A002
        self.held, self.id, self.kind = held, id, kind
        self.record, self.event = record, event
        self.size = len(record) + len(event)


def flatten(batch: list[Entry]) -> list[Argument]:
    """Return the arguments of a batch; of a task run's records in it only the last is kept."""
    last = {entry.id: entry for entry in batch if entry.id}
    arguments: list[Argument] = []
    for entry in batch:
        kept = entry.record if not entry.id or last[entry.id] is entry else b""
        arguments += (entry.id, entry.kind, kept, entry.event)
    return arguments


def fit(present: StateType, wanted: State) -> State:
    """Return what a run becomes that is ``present`` by now and wants to enter a state."""
    if present is not StateType.CANCELLING:
        return wanted
    if wanted.type in {StateType.CANCELLED, StateType.CRASHED}:
        return wanted
    return State("Cancelled", "cancelled while it ran", data=wanted.data)
