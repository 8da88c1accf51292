"""Transactions: what task runs did that may have to be undone, or is to be committed, together."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..aside import called
from ..calls.outcomes import explain
from ..context import here
from ..exceptions import TransactionFailed, WrongArgument
from ..given import TEXT, require
from ..logs.capturing import run_logger
from ..states import State
from .recorded import TransactionLog

if TYPE_CHECKING:
    from upshot.events.store import Argument

    from ..definitions.options import TransactionHook
    from ..taskruns.taskrun import TaskRun
    from .spans import Span

_MISSING: Final = object()

Hooks: TypeAlias = "Mapping[str, list[TransactionHook]]"
"""Hooks of a task, by what they are called for."""


class CommitMode(StrEnum):
    """When a transaction is committed: at its own end, with the one around it, or never."""

    EAGER = "EAGER"
    LAZY = "LAZY"
    OFF = "OFF"


class TransactionState(StrEnum):
    """What has become of a transaction."""

    ACTIVE = "ACTIVE"
    STAGED = "STAGED"
    COMMITTED = "COMMITTED"
    ROLLED_BACK = "ROLLED_BACK"


class Transaction:
    """What spans and the task runs in them have in common: values, a state, hooks.

    Attributes:
        identity: in the log of the run. parent: the one around it.
        at: when what it did was done; rolling back goes from the newest to the oldest.
    """

    def __init__(self, log: TransactionLog, identity: str, parent: Transaction | None) -> None:
        self.log, self.identity, self.parent = log, identity, parent
        self.state = TransactionState.ACTIVE
        self.at = ""
        self._values = log.values(identity)

    @property
    def span(self) -> Span | None:
        """The innermost ``with`` block that it is in."""
        return self.parent.span if self.parent is not None else None

    def require_open(self) -> None:
        """Do nothing where what is done here may still be committed.

        Raises:
            TransactionFailed: it is only there to be undone.
        """
        doom = self.span.doom if self.span is not None else ""
        if doom:
            raise TransactionFailed(f"not run: {doom}; what was done here is undone")

    def set(self, name: str, value: Any) -> None:
        """Keep a value for the hooks; one that is JSON is there after a crash as well.

        Raises:
            WrongArgument: the name is no text.
        """
        require(TEXT, name=name)
        self._values[name] = value
        if not self.log.note_value(self.identity, name, value):
            run_logger().warning("%r of a transaction is no JSON: a crash would lose it", name)

    def get(self, name: str, default: Any = _MISSING) -> Any:
        """Return a value that was set here, or in a transaction around this one.

        Raises:
            WrongArgument: there is none, and no default; or the name is no text.
        """
        require(TEXT, name=name)
        if name in self._values:
            return self._values[name]
        if self.parent is not None:
            return self.parent.get(name, default)
        if default is _MISSING:
            raise WrongArgument(f"name: no value was set under {name!r}")
        return default

    def is_active(self) -> bool:
        return self.state is TransactionState.ACTIVE

    def is_staged(self) -> bool:
        return self.state is TransactionState.STAGED

    def is_committed(self) -> bool:
        return self.state is TransactionState.COMMITTED

    def is_rolled_back(self) -> bool:
        return self.state is TransactionState.ROLLED_BACK

    def call_hooks(self, kind: str, hooks: list[TransactionHook]) -> list[Exception]:
        """Call the hooks that did not run to their ends before; return what failed of them."""
        failures: list[Exception] = []
        for number, hook in enumerate(hooks):
            field = f"{kind}/{number}"
            if self.log.is_done(self.identity, field):
                continue
            named = getattr(hook, "__name__", repr(hook))
            try:
                called(hook, self)
                self.log.note_done(self.identity, field)
                run_logger().info("%s hook %s ran", kind, named)
            except Exception as error:  # noqa: BLE001 - it is code of the user's own
                run_logger().error(
                    "%s hook %s failed: %s", kind, named, explain(error), exc_info=error
                )
                failures.append(error)
        return failures

    def commit_hooks(self) -> list[Exception]:
        """Call the hooks of a commit; return what failed of them."""
        return []

    def entries(self) -> list[Argument]:
        """Return what is to be found in the cache from the commit on."""
        return []

    def results(self) -> dict[str, Any]:
        """Return what a later transaction of the same key gives instead of running its tasks."""
        return {}

    def rollback(self) -> None:
        """Undo it."""
        raise NotImplementedError


class TaskTransaction(Transaction):
    """What one task run did.

    Args:
        hooks: of its task.

    Attributes:
        entry: for the cache. ordinal: which call within the keyed span around it this is.
    """

    def __init__(
        self, log: TransactionLog, parent: Transaction | None, run: TaskRun, hooks: Hooks
    ) -> None:
        super().__init__(log, run.id, parent)
        self._hooks, self._task_run = hooks, run
        self.entry: tuple[Argument, ...] = ()
        self.kept: dict[str, Any] = {}
        keyed = self.span.keyed if self.span is not None else None
        self.ordinal = keyed.number(run.task) if keyed is not None else ""

    def completed(self, state: State) -> None:
        """Take part in the span around it; where there is none, this is for good at once."""
        self.at = state.timestamp
        if self.span is None:
            self.commit_hooks()
            self.state = TransactionState.COMMITTED
        elif self.span.is_active():
            self.state = TransactionState.STAGED
            self.span.add(self)

    def commit_hooks(self) -> list[Exception]:
        return self.call_hooks("on_commit", self._hooks.get("on_commit", []))

    def entries(self) -> list[Argument]:
        return list(self.entry)

    def results(self) -> dict[str, Any]:
        return {self.ordinal: self.kept} if self.ordinal else {}

    def rollback(self) -> None:
        hooks = self._hooks.get("on_rollback", [])
        failures = self.call_hooks("on_rollback", hooks[::-1])
        failed = "".join(f"; a hook failed: {explain(error)}" for error in failures)
        self.state = TransactionState.ROLLED_BACK
        for path in {self.kept.get("path"), *self.entry[2:3]} - {None, ""}:
            self.log.discard(str(path))
        self._task_run.enter(State("RolledBack", f"undone with its transaction{failed}"))


def get_transaction() -> Transaction | None:
    """Return the transaction that the running code is in: its task's, or the block's around it."""
    place = here()
    return place.transaction if place is not None else None
