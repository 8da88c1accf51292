"""Undoes the open transactions of a run whose process is gone, from what the store knows of them.

The flow's module is loaded, for it has the hooks; the flow itself does not run. The way of it: open
blocks and the records of their tasks → transactions as they stood → rolled back, newest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..context import Here, RunContext, Scope, standing
from ..exceptions import NotUndone
from ..states import State
from ..taskruns.taskrun import parse_record, task_run_from
from .hooks import hooks_of, named
from .recorded import ROLLING_BACK, SpanRecord, log_of
from .spans import Span
from .transaction import TaskTransaction, Transaction

if TYPE_CHECKING:
    from ..definitions.options import TransactionHook

Record = dict[str, Any]


def undo(runs: Iterable[RunContext], program: str) -> None:
    """Undo what is open in these runs; from here on a retry can only undo it, too.

    Args:
        program: name of the flow's module.

    Raises:
        NotUndone: nothing was, as something is not known here that newest first needs.
    """
    opened = [OpenTransactions(context, program) for context in runs]
    for each in opened:
        each.doom()
    outermost = [(each.context, span) for each in opened for span in each.outermost()]
    for context, span in sorted(outermost, key=lambda found: found[1].at, reverse=True):
        with standing(Here(context, Scope(), log_prints=context.log_prints)):
            span.rollback()


class OpenTransactions:
    """The open transactions of one run, as they stood.

    Args:
        context: of the run, held by this process. program: name of the flow's module.
    """

    def __init__(self, context: RunContext, program: str) -> None:
        self.context, self._program = context, program
        self._log = log_of(context)
        self._open = self._log.open_spans()
        self._records = dict(records_of(context))
        self._made: dict[str, Transaction | None] = {}

    def doom(self) -> None:
        """Let nothing go on in these blocks."""
        for identity in self._open:
            self._log.enter(identity, ROLLING_BACK)

    def outermost(self) -> list[Span]:
        """Return the blocks that are in no other one, with all that is to be undone in them.

        Raises:
            NotUndone: naming what is not known here.
        """
        for identity in self._open:
            self._transaction(identity)
        for identity, record in self._records.items():
            made = self._transaction(identity) if _is_done(record) else None
            if isinstance(made, TaskTransaction) and made.span is not None:
                made.at = record["ended"]
                made.span.add(made)
        spans = [made for made in self._made.values() if isinstance(made, Span)]
        for span in reversed(spans):  # what is in a block was made after it
            if span.outer is not None:
                span.outer.add(span)
        return [span for span in spans if span.outer is None]

    def _transaction(self, identity: str) -> Transaction | None:
        """Return what has this identity, with what it is in; None where no open block is around."""
        if identity not in self._made:
            self._made[identity] = (
                self._span(identity) if identity in self._open else self._of_task(identity)
            )
        return self._made[identity]

    def _span(self, identity: str) -> Span:
        record = self._open[identity]
        if record is None:
            raise NotUndone("it was begun by an older version")
        parent = self._transaction(record.parent) if record.parent else None
        hooks = {"on_rollback": list(self._hooks(record))}
        span = Span(self.context, identity, parent, hooks=hooks)
        span.at = record.begun
        return span

    def _hooks(self, record: SpanRecord) -> Iterator[TransactionHook]:
        for told in record.hooks:
            hook = named(told, self._program) if told else None
            if hook is None:
                called = told or "which no name leads to"
                raise NotUndone(f"a hook of the block is not found here: {called}")
            yield hook

    def _of_task(self, identity: str) -> Transaction | None:
        record = self._records.get(identity)
        inside = record.get("transaction") if record is not None else None
        parent = self._transaction(inside["id"]) if inside else None
        if record is None or inside is None or parent is None:
            return None
        hooks = hooks_of(record) if inside["hooks"] and _is_done(record) else {}
        made = TaskTransaction(self._log, parent, task_run_from(self.context, record), hooks)
        made.kept = record["checkpoint"] or {}
        return made


def records_of(context: RunContext) -> Mapping[str, Record]:
    """Return what the store has of the run's task runs, by their ids."""
    stored = context.journal.execute("HGETALL", context.journal.keys("tasks", context.id))
    return {name.decode(): parse_record(body) for name, body in stored.items()}


def _is_done(record: Record) -> bool:
    state = State.from_dict(record["state"])
    return state.completed and state.name != "RolledBack"
