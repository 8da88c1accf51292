"""Runs in the store: create, read, change, list. For services; a flow process has its journal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

from pydantic_core import from_json

from upshot.events.event import Causation
from upshot.events.exceptions import Conflict, NotFound
from upshot.events.log import milliseconds
from upshot.events.places import Place, newest_first
from upshot.events.store import Store

from .changing import cancelled, moved, retried
from .exceptions import NoSuchTask
from .pausing import Change, answered, paused, resumed
from .runs import FlowRun, after, create_arguments, parse_run, transition_arguments
from .states import State, StateType

Cause: TypeAlias = tuple[str, Causation]
"""The event that makes somebody change a run, and the causation of what follows from it."""

_ATTEMPTS = 20
_Seen: TypeAlias = tuple[bool, int]


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a list shows; None means any.

    Attributes:
        state: a state's type or name. since: Unix ms from which on runs were created.
    """

    flow: str | None = None
    deployment: str | None = None
    state: str | None = None
    since: int | None = None
    until: int | None = None

    def matches(self, run: FlowRun) -> bool:
        return (
            self.flow in (None, run.flow)
            and self.deployment in (None, run.deployment)
            and self.state in (None, run.state.name, run.state.type.value)
        )


class Runs:
    """The flow runs of one shard.

    Args:
        store: where they are kept.
        lease_ms: after this long without a sign of life a run's process counts as dead.
    """

    def __init__(self, store: Store, *, lease_ms: int = 15_000) -> None:
        self._store = store
        self.lease_ms = lease_ms

    async def create(self, run: FlowRun, *, due_ms: int = 0) -> bool:
        """Put a run into the store, once for its id; tell whether it was new."""
        arguments = create_arguments(run, due_ms=due_ms, lease_ms=self.lease_ms)
        created, _, _ = await self._store.call("create_run", *arguments)
        return bool(created)

    async def get(self, run_id: str) -> FlowRun:
        """Return a run by its id.

        Raises:
            NotFound: there is none.
        """
        fields = await self._store.execute("HGETALL", self._store.keys("run", run_id))
        if not fields:
            raise NotFound(f"no run has the id {run_id!r}")
        return parse_run(fields)

    async def find(self, id_or_name: str) -> FlowRun:
        """Return a run by its id, or the newest one of that name."""
        try:
            return await self.get(id_or_name)
        except NotFound:
            async for _, run in self.newest(RunFilter()):
                if run.name == id_or_name:
                    return run
            raise NotFound(f"no run has the id or name {id_or_name!r}") from None

    async def transition(self, run: FlowRun, state: State, **how: Any) -> FlowRun:
        """Change the state of the run as it was read; see ``transition_arguments``.

        Raises:
            Conflict: it changed since. StaleEpoch: another process has it. IllegalTransition.
        """
        arguments = transition_arguments(run, state, lease_ms=self.lease_ms, **how)
        version, epoch = await self._store.call("transition", *arguments)
        changed = after(
            run,
            state,
            started=how.get("started", False),
            cause=how.get("cause"),
            more=how.get("more"),
        )
        return replace(changed, version=version, epoch=epoch)

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
        called = {record["task"] for record in await self.tasks(run_id)}
        if name in called:
            return
        created = int(datetime.fromisoformat(run.created).timestamp() * 1000)
        async for _, other in self.newest(RunFilter(flow=name, since=created)):
            if other.parent == run.id:
                return
        shown = ", ".join(sorted(called)[:20]) or "none so far"
        raise NoSuchTask(f"from: run {run.name} has called no task {name!r}; it called {shown}")

    async def cancel(self, run_id: str, message: str = "", cause: Cause | None = None) -> FlowRun:
        """Ask a run to stop; one that no process has is Cancelled at once."""
        return await self._change(
            run_id, lambda run, seen: cancelled(run, message, occupied=seen[0]), cause
        )

    async def change(self, run_id: str, state: State, cause: Cause | None = None) -> FlowRun:
        """Put a run into a state; one that is in it stays as it is.

        Raises:
            IllegalTransition: the rules of states don't let it. NotRetryable: no worker could run
                it.
        """
        return await self._change(run_id, lambda run, seen: moved(run, state), cause)

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

        def decide(run: FlowRun, seen: _Seen) -> Change | None:
            occupied, now = seen
            return resumed(run, message, occupied=occupied, given=input, now_ms=now)

        return await self._change(run_id, decide, cause)

    async def answer(
        self, run_id: str, key: str, answer: dict[str, Any], message: str = ""
    ) -> FlowRun:
        """End the waiting of a run, once: nothing happens where it is over."""

        def decide(run: FlowRun, seen: _Seen) -> Change | None:
            occupied, now = seen
            return answered(run, key, answer, message, occupied=occupied, now_ms=now)

        return await self._change(run_id, decide, None)

    async def _change(
        self,
        run_id: str,
        decide: Callable[[FlowRun, _Seen], Change | None],
        cause: Cause | None,
    ) -> FlowRun:
        """Do what is decided, once for the same cause."""
        for _ in range(_ATTEMPTS):
            run = await self.get(run_id)
            if cause is not None and cause[0] in run.causes:
                return run
            change = decide(run, await self._see(run_id))
            if change is None:
                return run
            arguments = transition_arguments(
                run, change.state, own=False, due_ms=change.due_ms, cause=cause,
                lease_ms=self.lease_ms if change.lease else 0, more=change.fields,
            )  # fmt: skip
            try:
                version, epoch = await self._store.call("transition", *arguments)
            except Conflict:
                continue
            changed = after(run, change.state, cause=cause, more=change.fields)
            return replace(changed, version=version, epoch=epoch)
        raise Conflict(f"run {run_id} keeps changing")

    async def _see(self, run_id: str) -> _Seen:
        """Return whether a run has a process, and the store's clock.

        Asked after the run was read: what changes in between makes another version of it.
        """
        lease, clock = await self._store.pipeline(
            [("ZSCORE", self._store.keys("leases"), run_id), ("TIME",)]
        )
        return lease is not None, int(clock[0]) * 1000 + int(clock[1]) // 1000

    async def newest(
        self, wanted: RunFilter, before: Place | None = None
    ) -> AsyncIterator[tuple[Place, FlowRun]]:
        """Yield runs with their places, newest first, from those older than ``before`` on."""
        key, bounds = self._store.keys("runs"), {"since": wanted.since, "until": wanted.until}
        async for places in newest_first(self._store, key, before=before, **bounds):
            place_of = {place.id: place for place in places}
            for run in await self.many(list(place_of)):
                if wanted.matches(run):
                    yield place_of[run.id], run

    async def many(self, ids: Sequence[str]) -> list[FlowRun]:
        """Return the runs of these ids that exist, in this order."""
        answers = await self._store.pipeline(
            [("HGETALL", self._store.keys("run", run_id)) for run_id in ids]
        )
        return [parse_run(fields) for fields in answers if fields]

    async def lapsed(self, limit: int = 200) -> list[FlowRun]:
        """Return runs whose process has shown no sign of life for a lease."""
        clock = await self._store.execute("TIME")
        now = int(clock[0]) * 1000 + int(clock[1]) // 1000
        key = self._store.keys("leases")
        ids = await self._store.execute("ZRANGEBYSCORE", key, "-inf", now, "LIMIT", 0, limit)
        return await self.many([run_id.decode() for run_id in ids])

    async def tasks(self, run_id: str) -> list[dict[str, Any]]:
        """Return the task runs of a run as JSON answers show them, oldest first."""
        stored = await self._store.execute("HGETALL", self._store.keys("tasks", run_id))
        records = [from_json(value.partition(b" ")[2]) for value in stored.values()]
        return sorted(records, key=lambda record: (record["created"], record["id"]))

    async def counts(self) -> dict[str, int]:
        """Return how many runs are in each state type."""
        kinds = [kind.value for kind in StateType]
        answers = await self._store.pipeline(
            [("ZCARD", self._store.keys("runs", kind)) for kind in kinds]
        )
        return dict(zip(kinds, answers, strict=True))

    async def logs(
        self, run_id: str, after: str = "0-0", limit: int = 1000
    ) -> list[dict[str, Any]]:
        """Return log lines of a run after a position.

        Each has ``position``, ``time`` (Unix ms), ``level``, ``logger``, ``message`` and ``task``.
        """
        key = self._store.keys("logs", run_id)
        entries = await self._store.execute("XRANGE", key, f"({after}", "+", "COUNT", limit)
        return [
            {
                "position": entry[0].decode(),
                "time": milliseconds(entry[0].decode()),
                **from_json(entry[1][1]),
            }
            for entry in entries
        ]

    async def list(
        self, wanted: RunFilter, *, limit: int = 100, before: Place | None = None
    ) -> tuple[list[FlowRun], Place | None]:
        """Return a page of runs, newest first, and the place after which the next one begins."""
        found: list[tuple[Place, FlowRun]] = []
        async for placed in self.newest(wanted, before):
            if len(found) == limit:
                return [run for _, run in found], found[-1][0]
            found.append(placed)
        return [run for _, run in found], None
