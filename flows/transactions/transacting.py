"""``with transaction()``: enters a span, and at its end commits it, hands it on, or undoes it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from ..aside import aside
from ..context import Here, here, standing
from ..exceptions import Interrupted, OutsideRun, Suspending, TimedOut, TransactionFailed
from ..given import FLAG, functions, maybe, one_of, require, text
from ..results.cache_policies import IsolationLevel
from .recorded import ROLLED_BACK, log_of
from .spans import Span
from .transaction import CommitMode, Transaction, TransactionState

if TYPE_CHECKING:
    from ..definitions.options import TransactionHook

_KEY: Final = maybe(text(500))
_LOOK_AGAIN: Final = 0.05  # seconds

Error = BaseException | None


class transaction:
    """A block whose tasks are undone together, newest first, when an exception leaves it.

    Used with ``with`` or ``async with`` inside of a flow. The undoing is what the tasks say with
    ``on_rollback``; what they say with ``on_commit`` is called when the block is committed.

    Args:
        key: names what the block does. Where that was committed before, by any run, the block's
            tasks are not run but give what they returned then; ``is_committed()`` tells.
        commit_mode: ``EAGER`` commits at the end of the block, ``LAZY`` with the transaction
            around it, if any, ``OFF`` undoes unless one around it takes over. By default as the
            one around it, else ``LAZY``.
        isolation_level: ``SERIALIZABLE`` waits for another run that has a block of this key open.
        overwrite: whether the block runs though its key was committed.
        on_rollback, on_commit: called with this transaction, besides those of its tasks.

    Raises:
        WrongArgument: naming one that is none.
    """

    def __init__(
        self,
        key: str | None = None,
        *,
        commit_mode: CommitMode | str | None = None,
        isolation_level: IsolationLevel | str | None = None,
        overwrite: bool = False,
        on_rollback: Iterable[TransactionHook] = (),
        on_commit: Iterable[TransactionHook] = (),
    ) -> None:
        require(_KEY, key=key)
        require(FLAG, overwrite=overwrite)
        require(maybe(one_of(CommitMode)), commit_mode=commit_mode)
        require(maybe(one_of(IsolationLevel)), isolation_level=isolation_level)
        hooks = {"on_rollback": on_rollback, "on_commit": on_commit}
        self._key, self._overwrite = key, overwrite
        self._mode = CommitMode(commit_mode) if commit_mode else None
        self._level = IsolationLevel(isolation_level) if isolation_level else None
        self._hooks = {name: functions(name, given) for name, given in hooks.items()}
        self._span: Span | None = None
        self._standing: AbstractContextManager[None] | None = None

    def __enter__(self) -> Transaction:
        place = _place()
        span = self._open(place)
        while not self._settle(span):
            if place.context.stopping.wait(_LOOK_AGAIN):
                raise Interrupted("the flow run stopped")
        return self._stand(place, span)

    async def __aenter__(self) -> Transaction:
        place = _place()
        span = await asyncio.to_thread(self._open, place)
        while True:
            if await asyncio.to_thread(self._settle, span):
                return self._stand(place, span)
            await asyncio.sleep(_LOOK_AGAIN)

    def _open(self, place: Here) -> Span:
        outer = place.transaction.span if place.transaction is not None else None
        inherited = (outer.mode, outer.level) if outer is not None else (None, None)
        span = Span(
            place.context, _identity(place), place.transaction,
            key=self._key, hooks=self._hooks,
        )  # fmt: skip
        span.mode = self._mode or inherited[0] or CommitMode.LAZY
        span.level = self._level or inherited[1] or IsolationLevel.READ_COMMITTED
        return span

    def _settle(self, span: Span) -> bool:
        """Find out whether the span is to be run or was committed before; False: ask again."""
        outer, key = span.outer, self._key
        if outer is not None and outer.is_committed():
            span.state = TransactionState.COMMITTED
        if key is not None and not span.is_committed() and not self._locked(span, key):
            return False
        if key is not None and not self._overwrite:
            span.find_committed(key)
        if span.is_committed():
            span.release()
        elif span.log.stage_of(span.identity) is None:
            span.begin()
        return True

    def _locked(self, span: Span, key: str) -> bool:
        if span.level is IsolationLevel.SERIALIZABLE and not span.locked:
            span.locked = span.log.lock(key, span.identity)
            return span.locked
        return True

    def _stand(self, place: Here, span: Span) -> Transaction:
        self._span = span
        self._standing = standing(replace(place, transaction=span))
        self._standing.__enter__()
        return span

    def __exit__(
        self, kind: type[BaseException] | None, error: Error, trace: TracebackType | None
    ) -> None:
        span = self._left()
        if _comes_back(error):
            return
        if not _hurries(error):
            for future in span.open:
                future.wait()
        self._end(span, error)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: Error, trace: TracebackType | None
    ) -> None:
        span = self._left()
        if _comes_back(error):
            return
        if not _hurries(error):
            for future in span.open:
                await future.wait_async()
        await aside(self._end, span, error)

    def _left(self) -> Span:
        if self._span is None or self._standing is None:
            raise RuntimeError("a transaction is entered before it is left")
        self._standing.__exit__(None, None, None)
        return self._span

    def _end(self, span: Span, error: Error) -> None:
        """Commit, hand on or undo.

        Raises:
            TransactionFailed: it was undone though nothing in the block says so.
        """
        if error is not None:
            span.stop_open()
            span.rollback()
        elif span.is_committed():
            return
        elif span.doom:
            span.rollback()
            raise TransactionFailed(f"{span.doom}; what was done here is undone")
        elif span.mode is CommitMode.EAGER or (span.outer is None and span.mode is CommitMode.LAZY):
            self._commit(span)
        elif span.outer is not None:
            span.state = TransactionState.STAGED
            span.outer.add(span)
        else:
            span.rollback()

    def _commit(self, span: Span) -> None:
        if failures := span.commit():
            span.rollback()
            raise TransactionFailed(
                "a hook failed on commit, so the block was undone"
            ) from failures[0]


atransaction = transaction  # as users of Prefect know it in coroutines


def _place() -> Here:
    place = here()
    if place is None:
        raise OutsideRun("transaction() works inside of a flow only")
    return place


def _identity(place: Here) -> str:
    """Return the id of the block: the same in each attempt of the run, until it was undone."""
    log = log_of(place.context)
    block = f"{place.scope.owner or 'flow'}:{place.scope.count('transaction')}"
    number = 0
    while log.stage_of(f"{block}.{number}") == ROLLED_BACK:
        number += 1
    return f"{block}.{number}"


def _comes_back(error: Any) -> bool:
    """Tell whether the run is only paused: another process goes on with the block."""
    return isinstance(error, Suspending)


def _hurries(error: Any) -> bool:
    """Tell whether what runs in the block is to be interrupted."""
    return isinstance(error, TimedOut) or (
        isinstance(error, BaseException) and not isinstance(error, Exception)
    )
