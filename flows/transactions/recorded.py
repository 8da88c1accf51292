"""What the store knows of a run's transactions, so that another process goes on with them.

Fields: ``<transaction>`` → its stage, ``<transaction>/block`` → JSON of a :class:`SpanRecord`;
``<transaction>/set/<name>`` → a value that was set there; ``<transaction>/<hook>`` → ``done`` for a
hook that ran to its end.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json, to_json

from upshot.events.store import Argument

from ..journal.locks import LockWait
from ..results.formats import is_json
from ..results.keeping import MOST_CACHED

if TYPE_CHECKING:
    from ..context import RunContext

ACTIVE: Final = "active"
COMMITTED: Final = "committed"
ROLLING_BACK: Final = "rolling-back"
ROLLED_BACK: Final = "rolled-back"

_BLOCK: Final = "/block"


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """What undoes a span that another process has begun, besides its tasks.

    Attributes:
        begun: when. parent: the transaction that it is in, if any.
        hooks: of ``on_rollback``, as ``module:name``; None for one that no name leads to.
    """

    begun: str
    parent: str | None
    hooks: Sequence[str | None] = ()


class TransactionLog:
    """The transactions of one flow run.

    Args:
        context: of the run, held by this process.
    """

    def __init__(self, context: RunContext) -> None:
        self._context, self._whole = context, context.outermost.id
        self._lock = threading.Lock()
        self._waits: dict[str, LockWait] = {}
        stored = context.journal.execute(
            "HGETALL", context.journal.keys("transactions", context.id)
        )
        self._fields: dict[str, str] = {}
        self._values: dict[str, dict[str, Any]] = {}
        for field, text in stored.items():
            self._keep(field.decode(), text.decode())

    def _keep(self, field: str, text: str) -> None:
        transaction, is_value, name = field.partition("/set/")
        if is_value:
            self._values.setdefault(transaction, {})[name] = from_json(text)
        else:
            self._fields[field] = text

    def stage_of(self, transaction: str) -> str | None:
        """Return what became of a transaction, or None for one that nobody has entered."""
        return self._fields.get(transaction)

    def note(self, field: str, text: str) -> None:
        """Write a field; it is durable when this returns."""
        self._context.journal.call("note_transaction", *self._context.owner, field, text)
        with self._lock:
            self._keep(field, text)

    def enter(self, transaction: str, stage: str, record: SpanRecord | None = None) -> None:
        """Enter a stage; it is durable when this returns."""
        told = {}
        if record is not None:
            told[transaction + _BLOCK] = to_json(asdict(record)).decode()
        fields = [part for field in told.items() for part in field]
        where = (*self._context.owner, self._whole)
        self._context.journal.call("enter_stage", *where, transaction, stage, *fields)
        with self._lock:
            self._fields.update(told, **{transaction: stage})

    def open_spans(self) -> dict[str, SpanRecord | None]:
        """Return the spans that were neither committed nor undone; None of an unknown one."""
        stages = {ACTIVE, ROLLING_BACK}
        found = [name for name, text in self._fields.items() if "/" not in name and text in stages]
        return {name: self._record_of(name) for name in found}

    def _record_of(self, transaction: str) -> SpanRecord | None:
        told = self._fields.get(transaction + _BLOCK)
        return SpanRecord(**from_json(told)) if told else None

    def values(self, transaction: str) -> dict[str, Any]:
        """Return what was set in a transaction."""
        with self._lock:
            return dict(self._values.get(transaction, {}))

    def note_value(self, transaction: str, name: str, value: Any) -> bool:
        """Write a value; False says that it is not JSON and so lives in this process only."""
        try:
            body = to_json(value) if is_json(value) else b""
        except ValueError:  # text that is no Unicode
            body = b""
        if body:
            self.note(f"{transaction}/set/{name}", body.decode())
        return bool(body)

    def is_done(self, transaction: str, hook: str) -> bool:
        """Tell whether a hook ran to its end before."""
        return f"{transaction}/{hook}" in self._fields

    def note_done(self, transaction: str, hook: str) -> None:
        """Write that a hook ran to its end."""
        self.note(f"{transaction}/{hook}", "done")

    def commit(
        self, transaction: str, key: str | None, record: dict[str, Any], entries: list[Argument]
    ) -> None:
        """Commit a transaction, its key and what its tasks cache, all at once."""
        kept = record.get("results", {}).values()
        files = to_json([each["path"] for each in kept if each.get("path")])
        arguments = (*self._context.owner, self._whole, transaction, key or "", to_json(record))
        self._context.journal.call("commit_transaction", *arguments, files, MOST_CACHED, *entries)
        with self._lock:
            self._fields[transaction] = COMMITTED

    def discard(self, path: str) -> None:
        """Let a file be removed that nobody is to find in the cache."""
        self._context.journal.call("let_go_file", *self._context.owner, path)

    def committed(self, key: str) -> dict[str, Any] | None:
        """Return what is known of the transaction that was committed under a key, if one was."""
        stored = self._context.journal.call("find_committed", key)
        return from_json(stored) if stored else None

    def lock(self, key: str, by: str) -> bool:
        """Take the lock of a key; False while somebody else has it."""
        wait = self._waits.setdefault(by, LockWait(self._context.journal))
        return wait.take(f"transaction:{key}", *self._context.owner, by)

    def unlock(self, key: str, by: str) -> None:
        """Let go of it."""
        self._context.journal.call("unlock", f"transaction:{key}", *self._context.owner, by)


def log_of(context: RunContext) -> TransactionLog:
    """Return the log of a run, read when it is first asked for."""
    if context.transactions is None:
        context.transactions = TransactionLog(context)
    return context.transactions
