"""Changes runs in the store, and reads them; for services, as a flow process has its journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from upshot.events.exceptions import Conflict
from upshot.events.store import Argument, Store

from ..exceptions import NoSuchTask
from ..states import State
from .changing import cancelled, moved, retried
from .flowrun import FlowRun
from .pausing import answered, paused, resumed
from .reading import RunFilter, RunReader
from .transitions import (
    Cause,
    Change,
    Seen,
    after,
    change_arguments,
    create_arguments,
    transition_arguments,
)
from .undoing import asked, is_left_open

__all__ = ["Cause", "RunFilter", "Runs"]

_ATTEMPTS = 20


class Runs(RunReader):
    """The flow runs of one shard.

    Args:
        store: where they are kept.
        lease_ms: after this long without a sign of life a run's process counts as dead.
    """

    def __init__(self, store: Store, *, lease_ms: int = 15_000) -> None:
        super().__init__(store)
        self.lease_ms = lease_ms

    async def create(self, run: FlowRun, *, due_ms: int = 0) -> bool:
        """Put a run into the store, once for its id; tell whether it was new."""
        arguments = create_arguments(run, due_ms=due_ms, lease_ms=self.lease_ms)
        created, _, _ = await self._store.call("create_run", *arguments)
        return bool(created)

    async def transition(self, run: FlowRun, state: State, **how: Any) -> FlowRun:
        """Change the state of the run as it was read; see ``transition_arguments``.

        Raises:
            Conflict: it changed since. StaleEpoch: another process has it. IllegalTransition.
        """
        return await self._transition(("transition",), run, state, **how)

    async def take(self, run: FlowRun, state: State, entry: str) -> FlowRun:
        """Make a run a worker's that was called by an entry of its pool's queue; that is gone then.

        Raises:
            Conflict: it changed since. LimitReached: it has to wait. IllegalTransition.
        """
        return await self._transition(("take_run", run.pool, entry), run, state, own=False)

    async def take_next(
        self, run: FlowRun, state: State, entry: str
    ) -> tuple[FlowRun | None, list[Any]]:
        """Do the same with the run that the entry names, where that is the next one.

        Otherwise it is as it was, and what ``upshot_pick`` answers comes instead.
        """
        arguments = transition_arguments(run, state, lease_ms=self.lease_ms, own=False)
        taken, picked = await self._store.call("take_next", run.pool, entry, *arguments)
        return _changed(run, state, taken) if taken else None, picked

    async def _transition(
        self, call: tuple[str, ...], run: FlowRun, state: State, **how: Any
    ) -> FlowRun:
        arguments = transition_arguments(run, state, lease_ms=self.lease_ms, **how)
        return _changed(run, state, await self._store.call(*call, *arguments), **how)

    async def retry(
        self,
        run_id: str,
        message: str = "",
        cause: Cause | None = None,
        *,
        task: str | None = None,
    ) -> FlowRun:
        """Schedule an ended run again; it goes on where it stopped.

        Args:
            task: does again what was done from the first call of this task, or of a flow of this
                name, on.

        Raises:
            NotRetryable: it is not Failed, Crashed or Cancelled, or no worker could run it.
            NoSuchTask: it has called none of this name.
        """
        if task is not None:
            await self._require_called(run_id, task)
        return await self._change(run_id, lambda run, seen: retried(run, message, task), cause)

    async def _require_called(self, run_id: str, name: str) -> None:
        run = await self.get(run_id)
        called = {each["task"] for each in await self.task_sums(run_id)}
        if name in called:
            return
        created = int(datetime.fromisoformat(run.created).timestamp() * 1000)
        async for _, other in self.newest(RunFilter(flow=name, since=created)):
            if other.parent == run.id:
                return
        shown = ", ".join(sorted(called)[:20]) or "none so far"
        raise NoSuchTask(f"from: run {run.name} has called no task {name!r}; it called {shown}")

    async def cancel(self, run_id: str, message: str = "", cause: Cause | None = None) -> FlowRun:
        """Ask a run to stop; one that no process has is Cancelled at once, unless it has open
        transactions: another process undoes these first.
        """
        return await self._change(run_id, lambda run, seen: cancelled(run, message, seen), cause)

    async def undo(self, run_id: str, message: str = "") -> FlowRun:
        """Have what the open transactions of an ended run did undone, after which it is Cancelled.

        Raises:
            NotUndoable: none is open, the run goes on, or no worker could do it.
        """
        stages = await self._store.execute("HVALS", self._store.keys("transactions", run_id))
        left = is_left_open(stages)
        return await self._change(
            run_id, lambda run, seen: asked(run, message, owes=seen.owes or left)
        )

    async def change(self, run_id: str, state: State, cause: Cause | None = None) -> FlowRun:
        """Put a run into a state; one that is in it stays as it is.

        Raises:
            IllegalTransition: the rules of states don't let it. NotRetryable: no worker could run
                it.
        """
        return await self._change(run_id, lambda run, seen: moved(run, state, seen), cause)

    async def pause(self, run_id: str, message: str = "", *, cause: Cause | None = None) -> FlowRun:
        """Let a run wait until it is resumed; one that is paused already stays as it is.

        One that has not started does not start. One that runs stops at its next task boundary:
        its process leaves, and the run goes on from there in another one.

        Raises:
            NotPausable: it has ended, or is to be cancelled.
        """
        return await self._change(run_id, lambda run, seen: paused(run, message), cause)

    async def resume(
        self,
        run_id: str,
        message: str = "",
        *,
        input: object = None,  # noqa: A002 - the word that people and programs use for it
        cause: Cause | None = None,
    ) -> FlowRun:
        """Let a paused run go on, same attempt; one that goes on already stays as it is.

        Args:
            input: what the pause asks for, as JSON values.

        Raises:
            NotResumable: it has ended, waits for an event, or no worker could run it.
            InvalidInput: naming each wrong field; the run waits on.
        """
        return await self._change(
            run_id, lambda run, seen: resumed(run, message, seen, input), cause
        )

    async def answer(
        self, run_id: str, key: str, answer: dict[str, Any], message: str = ""
    ) -> FlowRun:
        """End the waiting of a run, once: nothing happens where it is over."""
        return await self._change(
            run_id, lambda run, seen: answered(run, key, answer, message, seen)
        )

    async def _change(
        self,
        run_id: str,
        decide: Callable[[FlowRun, Seen], Change | None],
        cause: Cause | None = None,
    ) -> FlowRun:
        """Do what is decided, once for the same cause."""
        for _ in range(_ATTEMPTS):
            run = await self.get(run_id)
            if cause is not None and cause[0] in run.causes:
                return run
            seen = Seen.of(await self._store.pipeline(Seen.commands(self._store.keys, run_id)))
            change = decide(run, seen)
            if change is None:
                return run
            arguments = change_arguments(run, change, lease_ms=self.lease_ms, cause=cause)
            try:
                answer = await self._store.call("transition", *arguments)
            except Conflict:
                continue
            return _changed(run, change.state, answer, cause=cause, fields=change.fields)
        raise Conflict(f"run {run_id} keeps changing")


def _changed(
    run: FlowRun,
    state: State,
    answer: list[int],
    *,
    started: bool = False,
    cause: Cause | None = None,
    fields: Mapping[str, Argument] | None = None,
    **_: Any,
) -> FlowRun:
    """Return a run as it is now that the store has answered that it changed."""
    changed = after(run, state, started=started, cause=cause, fields=fields)
    version, epoch = answer
    return replace(changed, version=version, epoch=epoch)
