"""What a task run leaves behind when it completes, and what it finds instead of running.

Its result goes to its record or a file; into the cache, where the task has a policy; and into the
transaction that it is in. A call finds what is cached, or what its transaction did before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from ..calls.outcomes import explain
from ..context import Here
from ..exceptions import TransactionFailed
from ..results.formats import Kept, ResultFiles, restore
from ..results.keeping import Keeper, keeping_for
from ..states import State

if TYPE_CHECKING:
    from ..definitions.taskdef import Task
    from ..results.memo import Memo
    from ..transactions.spans import Span
    from ..transactions.transaction import TaskTransaction
    from .taskrun import TaskRun

_TRANSACTIONS = "transactions"
"""Folder of large results that stay for later transactions of the same key."""
_ANEW = "transaction(…, overwrite=True) does all of it anew"
_OF_TRANSACTIONS = frozenset({"on_rollback", "on_commit"})


class Checkpoint:
    """The checkpoint of one task run.

    Args:
        task: what runs. place: from where it was called.

    Attributes:
        transaction: what the run does, where that may have to be undone or committed.
    """

    __slots__ = ("_keeper", "_memo", "_task", "_task_run", "transaction")

    def __init__(self, task: Task[..., Any], place: Here, task_run: TaskRun) -> None:
        self._task, self._task_run = task, task_run
        keeping = keeping_for(task, place.context)
        self._keeper = Keeper(task, place.context, task_run, keeping)
        self._memo: Memo | None = None
        if keeping is not None and keeping.policy is not None:
            from ..results.memo import Memo

            self._memo = Memo(task, place.context, task_run, keeping)
        self.transaction = _transaction_of(task, place, task_run)

    @property
    def is_sought(self) -> bool:
        """Whether :meth:`found` may find anything."""
        return self._memo is not None or self.transaction is not None

    def found(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> State | float | None:
        """Return how it ended without running, or the seconds until it is to be asked again.

        Raises:
            TransactionFailed: its transaction is only there to be undone, or was committed before
                and this result is not known.
        """
        if self.transaction is not None and self.transaction.span is not None:
            state = self._skipped(self.transaction, self.transaction.span)
            if state is not None:
                return state
        if self._memo is None:
            return None
        hit = self._memo.look(args, kwargs)
        if hit is None:
            self._memo.announce()
        if hit is None or isinstance(hit, float | int):
            return hit
        self._enter(hit.state, *hit.stored)
        return hit.state

    def _skipped(self, mine: TaskTransaction, span: Span) -> State | None:
        mine.require_open()
        keyed = span.keyed
        if keyed is None or keyed.committed is None:
            return None
        earlier = keyed.committed["results"].get(mine.ordinal)
        committed = f"not run: transaction {keyed.key!r} is committed"
        if not earlier:
            raise TransactionFailed(f"{committed}, and what it returned is not kept; {_ANEW}")
        try:
            kept = self._read(earlier)
            value = restore(kept, self._task.fn, pickled=self._keeper.pickles)
        except Exception as error:
            why = f"what it returned can't be used: {explain(error)}"
            raise TransactionFailed(f"{committed}, and {why}; {_ANEW}") from error
        message = f"transaction {keyed.key!r} was committed by {keyed.committed['run']}"
        state = State("Cached", message, data=value)
        self._task_run.enter(state, kept, earlier["path"])
        return state

    def _read(self, earlier: dict[str, Any]) -> Kept:
        form, path = earlier["form"], earlier["path"]
        if path is None:
            return Kept(form, earlier["body"].encode())
        self._keeper.hold(path)
        return ResultFiles.read(form, path, earlier.get("digest"))

    def completed(self, value: Any) -> State:
        """Complete it with what the function returned.

        Raises:
            ResultNotKept: it had to be kept, and could not be.
        """
        kept = self._keeper.encode(value)
        path = self._cached(kept) or self._for_later_transactions(kept)
        stored = self._keeper.store(kept, path)
        state = State("Completed", data=value)
        self._enter(state, *stored)
        return state

    def _cached(self, kept: Kept | None) -> str | None:
        """Put a result into the cache, at once or with the transaction; return its file, if any."""
        if self._memo is None:
            return None
        path = self._memo.write(kept)
        entry = self._memo.entry(kept, path)
        if self.transaction is None or self.transaction.span is None:
            self._memo.publish(entry)
        else:
            self.transaction.entry = entry
        return path

    def _for_later_transactions(self, kept: Kept | None) -> str | None:
        """Write a large result that transactions of the same key will give; return its file."""
        is_keyed = self.transaction is not None and bool(self.transaction.ordinal)
        if kept is None or not is_keyed or not self._keeper.is_large(kept):
            return None
        return self._keeper.write(_TRANSACTIONS, self._task_run.id, kept)

    def _enter(self, state: State, kept: Kept | None, path: str | None) -> None:
        self._task_run.enter(state, kept, path)
        if self.transaction is not None:
            if kept is not None:
                self.transaction.kept = _told(kept, path)
            self.transaction.completed(state)

    def restored(self, state: State) -> None:
        """Take part in the transaction with what an earlier attempt of the flow run did."""
        record = self._task_run.earlier
        if self.transaction is None or record is None:
            return
        if (known := record["checkpoint"]) is not None:
            body = to_json(record["result"]).decode() if known["path"] is None else None
            self.transaction.kept = {**known, "body": body}
        self.transaction.completed(state)

    def close(self) -> None:
        """Let others compute what this one did not."""
        if self._memo is not None:
            self._memo.release()


def _told(kept: Kept, path: str | None) -> dict[str, Any]:
    """Return what later transactions of the same key need to know of a result."""
    if path is None:
        return {"form": kept.form, "path": None, "body": kept.body.decode()}
    return {"form": kept.form, "path": path, "body": None, "digest": kept.digest}


def _transaction_of(task: Task[..., Any], place: Here, task_run: TaskRun) -> TaskTransaction | None:
    if place.transaction is None and _OF_TRANSACTIONS.isdisjoint(task.hooks):
        return None
    from ..transactions.recorded import log_of
    from ..transactions.transaction import TaskTransaction

    return TaskTransaction(log_of(place.context), place.transaction, task_run, task.hooks)
