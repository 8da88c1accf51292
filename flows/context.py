"""Where code runs: in which flow run, and in which task of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .again import Again
from .exceptions import OutsideRun
from .states import StateType
from .waiting.turns import Turns

if TYPE_CHECKING:
    from .calls.parameters import Arguments
    from .data.lineage import Lineage
    from .data.materializing import Described
    from .definitions.flowdef import Flow
    from .definitions.taskdef import Task
    from .journal.held import HeldRun
    from .journal.journal import Journal
    from .results.formats import ResultFiles
    from .runners.opening import RunPool
    from .runs.flowrun import FlowRun
    from .taskruns.taskrun import TaskHead, TaskRun
    from .transactions.recorded import TransactionLog
    from .transactions.transaction import Transaction


METADATA: Final = "asset-metadata"
"""Kind of what a task's function says of assets from another process."""


class Scope:
    """Counts what is called within one start of a flow or task, so that each call gets a name.

    Args:
        owner: id of the task run whose body it is, or ``""`` for the flow's.
    """

    __slots__ = ("_counts", "_lock", "owner")

    def __init__(self, owner: str = "") -> None:
        self.owner = owner
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def count(self, key: str) -> int:
        """Return how often this key was counted before."""
        with self._lock:
            before = self._counts.get(key, 0)
            self._counts[key] = before + 1
        return before

    def numbered(self, key: str) -> str:
        """Return the key with this count: what tells a call from others with the same key."""
        return f"{key}:{self.count(key)}"


@dataclass(slots=True)
class RunContext:
    """One flow run in this process.

    Attributes:
        held: the run. journal: writes what it does. files: where large results go.
        pool: runs the tasks that are submitted.
        parent: the flow run whose code called this one's flow, in the same process.
        flow: what runs, once it is known. arguments: of its function, once they were checked.
        log_prints: whether what the flow prints is logged.
        remembers: whether another attempt may follow in this process.
        alone: whether the process is a program that was started by hand and does nothing else now.
        stopping: set when the run has to stop; waits between attempts end then.
        restored: records of task runs, by id, from earlier attempts.
        again: from where on this attempt does again what was done.
        heads: by name and tags, what the task runs of each task have in common.
        names: counts the task runs of each task. label: tells those of several processes apart.
        awaited: place in the log of the event that a wait for such was answered with.
        turns: of waits that are equal.
        folders: where files of the run lie, as far as the store knows.
        transactions: what became of the run's transactions.
        lineage: which assets are behind results, once a task made some; of the outermost run.
    """

    held: HeldRun
    journal: Journal
    files: ResultFiles
    pool: RunPool
    parent: RunContext | None = None
    flow: Flow[..., Any] | None = None
    arguments: Arguments | None = None
    log_prints: bool = False
    remembers: bool = False
    alone: bool = False
    stopping: threading.Event = field(default_factory=threading.Event)
    restored: dict[str, bytes] = field(default_factory=dict)
    again: Again = field(default_factory=lambda: Again(()))
    heads: dict[tuple[str, tuple[str, ...]], TaskHead] = field(default_factory=dict)
    names: Scope = field(default_factory=Scope)
    label: str = ""
    awaited: dict[bytes, str] = field(default_factory=dict)
    turns: Turns = field(default_factory=Turns)
    folders: set[str] = field(default_factory=set)
    transactions: TransactionLog | None = None
    lineage: Lineage | None = None

    @property
    def flow_run(self) -> FlowRun:
        """The run as this process last knew it."""
        return self.held.run

    @property
    def id(self) -> str:
        return self.flow_run.id

    @property
    def owner(self) -> tuple[str, int]:
        """What the store knows by that the run is still this process's: its id and epoch."""
        return self.flow_run.id, self.flow_run.epoch

    def outward(self) -> Iterator[RunContext]:
        """Yield this run, and each that it is a part of, from the inside out."""
        each: RunContext | None = self
        while each is not None:
            yield each
            each = each.parent

    def is_cancelled(self) -> bool:
        """Tell whether this run is cancelled, or to be, by now, or one that it is a part of."""
        kinds = (each.journal.refresh(each.held) for each in self.outward())
        return any(each in (StateType.CANCELLING, StateType.CANCELLED) for each in kinds)

    @property
    def outermost(self) -> RunContext:
        """The run that is a part of no other in this process; this one or around it."""
        *_, last = self.outward()
        return last

    @property
    def owns_process(self) -> bool:
        """Whether nothing but this run, and what it is a part of, ends with the process."""
        outer = self.parent
        return bool(self.flow_run.pool) or (outer.owns_process if outer else self.alone)


@dataclass(frozen=True, slots=True)
class Here:
    """Where the running code stands.

    Attributes:
        task: None in the flow's own body.
        parameters: of the task's call.
        transaction: the innermost one, if any.
        described: takes what is said of assets, in a task that materialises some.
        called: the task's definition, where the process has it.
    """

    context: RunContext
    scope: Scope
    task: TaskRun | None = None
    log_prints: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)
    transaction: Transaction | None = None
    described: Described | None = None
    called: Task[..., Any] | None = None


_here: Final[ContextVar[Here | None]] = ContextVar("upshot_here", default=None)


def _leave() -> None:
    """Stand nowhere in a fork: the run stays with the process that has it."""
    _here.set(None)


os.register_at_fork(after_in_child=_leave)


def here() -> Here | None:
    """Return where the running code stands, or None outside of any flow run."""
    return _here.get()


def require_here(function: str) -> Here:
    """Return where the running code stands, for what works in runs only.

    Args:
        function: what was called, for the error.

    Raises:
        OutsideRun: no run is under way here.
    """
    place = here()
    if place is None:
        raise OutsideRun(f"{function}() works inside of a flow or task run only")
    return place


@contextmanager
def standing(place: Here | None) -> Iterator[None]:
    """Let the code of a ``with`` block stand at this place."""
    token = _here.set(place)
    try:
        yield
    finally:
        _here.reset(token)
