"""Spans: what a ``with transaction()`` block gathers, and how that is committed or undone.

The way of a span: its stage in the store → tasks run and are staged → the end of the block →
``on_commit`` of each, and the commit; or ``on_rollback`` of each, newest first. What is in the
store says after a crash how far that had come.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from ..context import RunContext
from ..results.cache_policies import IsolationLevel
from ..states import timestamp
from .hooks import name_of
from .recorded import ACTIVE, COMMITTED, ROLLED_BACK, ROLLING_BACK, SpanRecord, log_of
from .transaction import CommitMode, Transaction, TransactionState

if TYPE_CHECKING:
    from upshot.events.store import Argument

    from ..calls.futures import TaskFuture
    from ..definitions.options import TransactionHook


_HALF_UNDONE: Final = "a process died while it undid this block"


class Span(Transaction):
    """A ``with transaction()`` block.

    Attributes:
        key: under which it is committed. locked: whether it has the lock of the key.
        committed: what is known of the one that was committed under the key before.
        open: what was submitted in it. mode, level: see :class:`transaction`.
    """

    def __init__(
        self, context: RunContext, identity: str, parent: Transaction | None,
        *, key: str | None = None, hooks: dict[str, list[TransactionHook]] | None = None,
    ) -> None:  # fmt: skip
        log = log_of(context)
        super().__init__(log, identity, parent)
        self._context, self.key, self._hooks = context, key, hooks or {}
        self.locked = False
        self.mode, self.level = CommitMode.LAZY, IsolationLevel.READ_COMMITTED
        self._children: list[Transaction] = []
        self._numbers: dict[str, int] = {}
        self._lock = threading.Lock()
        self.open: list[TaskFuture[Any]] = []
        self.committed: dict[str, Any] | None = None
        self._doom = _HALF_UNDONE if log.stage_of(identity) == ROLLING_BACK else ""
        if log.stage_of(identity) == COMMITTED:
            self.state = TransactionState.COMMITTED

    @property
    def span(self) -> Span:
        return self

    @property
    def keyed(self) -> Span | None:
        """The innermost span with a key, if any: this one, or one around it."""
        return self if self.key is not None else self.outer and self.outer.keyed

    @property
    def outer(self) -> Span | None:
        """The span around it."""
        return self.parent.span if self.parent is not None else None

    @property
    def doom(self) -> str:
        """Why it, or one around it, is only there to be undone; empty where it is not."""
        return self._doom or (self.outer.doom if self.outer is not None else "")

    def find_committed(self, key: str) -> None:
        """Find out whether the key was committed; what this run did of it then is too much."""
        self.committed = self.log.committed(key)
        if self.committed is None:
            return
        if self.log.stage_of(self.identity) == ACTIVE:
            self._doom, self.committed = f"another run committed {key!r} meanwhile", None
        else:
            self.state = TransactionState.COMMITTED

    def begin(self) -> None:
        """Have the store know that it is open, and what undoes it."""
        hooks = [name_of(hook) for hook in self._hooks.get("on_rollback", [])]
        parent = self.parent.identity if self.parent is not None else None
        self.log.enter(self.identity, ACTIVE, SpanRecord(timestamp(), parent, hooks))

    def stop_open(self) -> None:
        """Interrupt what still runs of what was submitted."""
        if any(not future.done() for future in self.open):
            self._context.pool.abort()

    def number(self, task: str) -> str:
        """Return which call of a task within this span the next one is, as ``<task>:<number>``."""
        with self._lock:
            count = self._numbers[task] = self._numbers.get(task, 0) + 1
        return f"{task}:{count}"

    def add(self, child: Transaction) -> None:
        """Take in what is to be committed or undone with this."""
        with self._lock:
            self._children.append(child)
            self.at = max(self.at, child.at)

    def commit_hooks(self) -> list[Exception]:
        failures = [error for child in self._ordered() for error in child.commit_hooks()]
        return failures + self.call_hooks("on_commit", self._hooks.get("on_commit", []))

    def entries(self) -> list[Argument]:
        return [part for child in self._ordered() for part in child.entries()]

    def results(self) -> dict[str, Any]:
        return {} if self.key is not None else self._results()

    def _results(self) -> dict[str, Any]:
        return {name: kept for child in self._children for name, kept in child.results().items()}

    def commit(self) -> list[Exception]:
        """Call the hooks, then commit; return what failed of the hooks, where that keeps it."""
        if self.state in {TransactionState.COMMITTED, TransactionState.ROLLED_BACK}:
            return []
        if failures := self.commit_hooks():
            return failures
        self._context.journal.flush()  # what was committed must not be run again
        self._commit(self.entries())
        return []

    def _commit(self, entries: list[Argument]) -> None:
        for child in self._children:
            if isinstance(child, Span):
                child._commit([])
        self.log.commit(self.identity, self.key, self._record(), entries)
        self.state = TransactionState.COMMITTED
        self.release()

    def _record(self) -> dict[str, Any]:
        if self.key is None:
            return {}
        return {"run": self._context.flow_run.name, "results": self._results()}

    def rollback(self) -> None:
        if self.state in {TransactionState.COMMITTED, TransactionState.ROLLED_BACK}:
            return
        self._context.journal.flush()  # from here on only what the store knows to be done is undone
        self.log.enter(self.identity, ROLLING_BACK)
        self.call_hooks("on_rollback", self._hooks.get("on_rollback", []))
        for child in reversed(self._ordered()):
            child.rollback()
        self._context.journal.flush()  # what was undone must not be taken for done
        self.log.enter(self.identity, ROLLED_BACK)
        self.state = TransactionState.ROLLED_BACK
        self.release()

    def release(self) -> None:
        """Let go of the key's lock, if it has that."""
        if self.locked and self.key is not None:
            self.locked = False
            self.log.unlock(self.key, self.identity)

    def _ordered(self) -> list[Transaction]:
        with self._lock:
            return sorted(self._children, key=lambda child: child.at)
