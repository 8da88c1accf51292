"""Changes of flow runs: the arguments of the calls that create and change them in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, TypeAlias

from pydantic_core import to_json

from upshot.events.clock import unix_ms
from upshot.events.event import Causation
from upshot.events.keys import Keys
from upshot.events.store import Argument, Commands

from ..results.formats import Kept
from ..states import State, StateType, timestamp_of
from .events import state_event
from .flowrun import FlowRun, Pause, Undo

Cause: TypeAlias = tuple[str, Causation]
"""The event that makes somebody change a run, and the causation of what follows from it."""

_DOC: Final = (
    "id",
    "name",
    "flow",
    "deployment",
    "entrypoint",
    "pool",
    "queue",
    "priority",
    "parameters",
    "created",
    "caused_by",
    "parent",
    "scheduled",
    "launch",
)
"""What of a run does not change with its state, as it is stored in one."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of state that was decided.

    Attributes:
        lease: whether the run has a process whose lease goes on.
        fields: of the run's record. due_ms: when a Scheduled one goes to its queue.
    """

    state: State
    lease: bool = True
    fields: dict[str, Argument] = field(default_factory=dict)
    due_ms: int = 0


class Seen(NamedTuple):
    """What besides a run's record decides on a change of it.

    Attributes:
        occupied: it has a process. now_ms: the store's time, Unix ms.
        owes: it, or a part of it, has open transactions.
    """

    occupied: bool
    now_ms: int
    owes: bool = False

    @staticmethod
    def commands(keys: Keys, run_id: str) -> Commands:
        """Return what to ask of the store, once the run was read.

        What changes in between makes another version of the run.
        """
        return [("ZSCORE", keys("leases"), run_id), ("TIME",), ("EXISTS", keys("open", run_id))]

    @classmethod
    def of(cls, answers: Sequence[Any]) -> Seen:
        """Return what the answers tell."""
        lease, clock, owes = answers
        return cls(lease is not None, unix_ms(clock), bool(owes))


def create_arguments(run: FlowRun, *, due_ms: int = 0, lease_ms: int = 0) -> tuple[Argument, ...]:
    """Return the arguments of ``upshot_create_run``; times in ms, ``due_ms`` as Unix time."""
    run = replace(run, scheduled=timestamp_of(due_ms)) if due_ms else run
    event = state_event(run, run.state, due_ms=due_ms)
    fields: tuple[Argument, ...] = (
        "doc",
        _doc(run),
        "state",
        to_json(run.state.to_dict()),
        "attempt",
        run.attempt,
    )
    if run.deployment:
        fields += ("deployment", run.deployment)
    if run.pool:
        fields += ("queue", run.queue, "priority", run.priority)
    listed = ("flow", run.flow, "deployment", run.deployment or "", "name", run.name)
    if run.parent:
        fields += ("parent", run.parent)
    return (
        run.id, run.state.type.value, run.pool, due_ms, lease_ms,
        event.id, event.to_json(), *fields, *listed,
    )  # fmt: skip


def late_arguments(run: FlowRun) -> tuple[Argument, ...]:
    """Return the arguments of ``upshot_mark_late`` for a run as it was read."""
    state = State("Late", "no worker has taken it in time")
    event = state_event(run, state, previous=run.state)
    return (run.id, run.version, event.to_json(), to_json(state.to_dict()))


def name_arguments(run: FlowRun) -> tuple[Argument, ...]:
    """Return the arguments of ``upshot_name_run``."""
    return (run.id, run.epoch, run.name, _doc(run))


def _doc(run: FlowRun) -> bytes:
    doc: dict[str, Any] = {key: getattr(run, key) for key in _DOC}
    doc["tags"] = run.tags
    doc["causation"] = run.causation and run.causation.model_dump()
    return to_json(doc)


def transition_arguments(
    run: FlowRun,
    state: State,
    *,
    own: bool,
    due_ms: int = 0,
    lease_ms: int = 0,
    only_if_lapsed: bool = False,
    started: bool = False,
    cause: Cause | None = None,
    result: Kept | None = None,
    fields: Mapping[str, Argument] | None = None,
) -> tuple[Argument, ...]:
    """Return the arguments of ``upshot_transition`` from the run as it was read to ``state``.

    Args:
        own: the run's own process asks, under the run's epoch.
        due_ms: Unix ms at which a Scheduled run goes to its queue.
        only_if_lapsed: refuse while the run's lease holds.
        started: the flow's body starts now: one attempt more.
        cause: event that made somebody else ask, and the causation of what follows from it.
        result: what the flow returned, where that is JSON.
        fields: others of the record to set.
    """
    changed = after(run, state, started=started, cause=cause, fields=fields)
    event = state_event(changed, state, previous=run.state, due_ms=due_ms)
    written: list[Argument] = ["state", to_json(state.to_dict()), "attempt", changed.attempt]
    written += ["started", changed.started or "", "ended", changed.ended or ""]
    if cause is not None:
        written += ["cause", to_json([cause[0], cause[1].model_dump()]), f"by:{cause[0]}", "1"]
    if result is not None:
        written += ["result", result.body, "checkpoint", result.form]
    for name, value in {**_cleared(run, changed), **(fields or {})}.items():
        written += [name, value]
    epoch: Argument = run.epoch if own else ""
    return (
        run.id, run.version, epoch, state.type.value, due_ms, lease_ms, int(only_if_lapsed),
        event.id, event.to_json(), *written,
    )  # fmt: skip


def _cleared(run: FlowRun, changed: FlowRun) -> dict[str, Argument]:
    """Return the fields of a run's record that a change makes void."""
    void: dict[str, Argument] = {}
    if run.resumed:
        void["resumed"] = b"1" if changed.resumed else b""
    if run.undo is not None and changed.undo is None:
        void["undo"] = b""
    if run.stuck and not changed.stuck:
        void["stuck"] = b""
    return void


def change_arguments(
    run: FlowRun, change: Change, *, lease_ms: int, cause: Cause | None = None
) -> tuple[Argument, ...]:
    """Return the same for a change that was decided by somebody else than the run's process.

    Args:
        lease_ms: how long a process of the run counts as alive from now on, if it has one.
    """
    return transition_arguments(
        run, change.state, own=False, due_ms=change.due_ms, cause=cause,
        lease_ms=lease_ms if change.lease else 0, fields=change.fields,
    )  # fmt: skip


def handed_over(run: FlowRun) -> dict[str, Argument]:
    """Return the fields of a run whose worker left: another one goes on with it, same attempt."""
    return {"handed": b"", "resumed": b"1" if run.started else b""}


def after(
    run: FlowRun,
    state: State,
    *,
    started: bool = False,
    cause: Cause | None = None,
    fields: Mapping[str, Argument] | None = None,
) -> FlowRun:
    """Return the run as it is once ``state`` is entered; version and epoch come from the store."""
    caused_by, causation = cause or (run.caused_by, run.causation)
    fields = fields or {}
    waits = fields.get("pause") if state.type is StateType.PAUSED else None
    undo = fields.get("undo")
    goes_on = run.resumed and not state.ended and state.type is not StateType.RUNNING
    return replace(
        run,
        state=state,
        attempt=run.attempt + started,
        started=(run.started or state.timestamp) if started else run.started,
        ended=state.timestamp if state.ended else None,
        caused_by=caused_by,
        causation=causation,
        pause=Pause.from_json(waits) if isinstance(waits, bytes) and waits else None,
        undo=None if state.ended else Undo.from_json(undo) if isinstance(undo, bytes) else run.undo,
        stuck=run.stuck if state.ended else "",
        resumed=bool(fields.get("resumed", goes_on)),
        causes=run.causes | {cause[0]} if cause else run.causes,
    )
