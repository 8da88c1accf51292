"""Ends runs whose process is gone: decides what becomes of a run, then of its open task runs."""

from __future__ import annotations

import signal
from enum import StrEnum
from typing import Any, Final

import stamina
import structlog
from pydantic_core import from_json, to_json

from upshot.events.event import MAX_RELATED, Event
from upshot.events.exceptions import (
    Conflict,
    IllegalTransition,
    NotFound,
    RetryableEventsError,
    StaleEpoch,
)
from upshot.events.ids import derived_id
from upshot.events.store import Argument, Store
from upshot.flows.calls.overdue import OVERDUE
from upshot.flows.runs.events import related
from upshot.flows.runs.flowrun import FlowRun
from upshot.flows.runs.registry import Runs
from upshot.flows.runs.transitions import Change, handed_over
from upshot.flows.runs.undoing import died, ending
from upshot.flows.states import ENDED, State, StateType

log = structlog.get_logger(__name__)

_ATTEMPTS: Final = 20
_BATCH: Final = 500
_PATIENCE: Final = 60.0
"""Seconds for which the store may be away between the end of a run and that of its tasks."""


class Loss(StrEnum):
    """How it is known that a run has no process any more."""

    ENDED = "ended"  # its worker saw the process end
    LAPSED = "lapsed"  # nothing has shown to be alive for a lease
    REMOVED = "removed"  # its worker ended the process on request
    OVERDUE = "overdue"  # the process was ended, as its code did not yield to a timeout


def fate(run: FlowRun, loss: Loss, message: str) -> State | None:
    """Return the state that a run without a process enters, or None when it is well as it is.

    A run that was to be cancelled is Cancelled, however its process ended: what was asked for
    came true, and nothing may take it for a crash to be healed. One whose worker left is to be
    gone on with. A paused one needs no process,
    where a worker can start another one when it is resumed.
    """
    kind = run.state.type
    if kind in ENDED or kind is StateType.SCHEDULED or (kind is StateType.PAUSED and run.pool):
        return None
    if kind is StateType.CANCELLING:
        return State("Cancelled", message)
    if run.handed and run.pool:
        return State("AwaitingRetry", f"{message}; another worker goes on with it")
    if kind is StateType.PENDING and loss is Loss.LAPSED and run.pool:
        return State("Scheduled", "its worker died before it began")
    overdue = loss is Loss.OVERDUE and kind is StateType.RUNNING
    return State("TimedOut" if overdue else "Crashed", message)


def loss_of(code: int | None) -> Loss:
    """Tell by its exit code how a process ended."""
    return Loss.OVERDUE if code == -OVERDUE else Loss.ENDED


def describe_exit(code: int | None) -> str:
    """Say how a flow process ended, for people."""
    if code is None:
        return "its process ended together with its worker's helper process"
    if code == -OVERDUE:
        return "it took longer than its timeout and did not let itself be interrupted"
    if code >= 0:
        return f"its process ended with exit code {code} before the run did"
    try:
        name = f" ({signal.Signals(-code).name})"
    except ValueError:
        name = ""
    return f"its process was killed by signal {-code}{name}"


async def settle(
    store: Store,
    runs: Runs,
    run_id: str,
    epoch: int,
    loss: Loss,
    message: str,
) -> FlowRun | None:
    """End a run that lost its process at this epoch; return it as it is then, None if untouched.

    Raises:
        StoreUnavailable: nothing is known to be done; settle it again.
    """
    for _ in range(_ATTEMPTS):
        try:
            run = await runs.get(run_id)
            lapsed = loss is Loss.LAPSED
            state = fate(run, loss, message) if run.epoch == epoch else None
            if state is None:
                if run.epoch == epoch and run.state.type is StateType.PAUSED:  # it waits on
                    await store.call("leave_run", run.id, run.epoch, int(lapsed))
                return None
            change = await _change(runs, run, state, message)
            ended = await runs.transition(
                run, change.state, own=False, only_if_lapsed=lapsed, fields=change.fields,
                due_ms=change.due_ms,
            )  # fmt: skip
        except Conflict:
            if loss is Loss.LAPSED:
                return None  # it is alive after all, or has changed: the next pass looks again
            continue
        except (IllegalTransition, NotFound, StaleEpoch) as error:
            log.info("run left as it is", run=run_id, reason=str(error))
            return None
        if ended.state.ended:
            await _end_tasks_for_sure(store, ended)
        return ended
    raise Conflict(f"run {run_id} keeps changing")


async def _change(runs: Runs, run: FlowRun, state: State, message: str) -> Change:
    """Decide how a run enters its fate: what its open transactions did may be undone first."""
    if run.undo is not None:
        return died(run, run.undo, message, await runs.now())
    if state.ended:
        return ending(run, state, owes=await runs.owes(run.id))
    return Change(state, fields=handed_over(run) if run.handed else {})


async def _end_tasks_for_sure(store: Store, run: FlowRun) -> None:
    """End them in spite of an outage: nobody would come back to a run that has ended."""
    retries = stamina.retry_context(
        on=RetryableEventsError, attempts=None, timeout=_PATIENCE, wait_max=1.0
    )
    async for attempt in retries:
        with attempt:
            await end_tasks(store, run)


async def end_tasks(store: Store, run: FlowRun) -> int:
    """Record the open task runs of an ended run as ended the same way; return how many."""
    stored = await store.execute("HGETALL", store.keys("tasks", run.id))
    endings = (_ending(run, task_id, value) for task_id, value in stored.items())
    lost = [ending for ending in endings if ending is not None]
    for start in range(0, len(lost), _BATCH):
        flat = [part for ending in lost[start : start + _BATCH] for part in ending]
        try:
            await store.call("record_tasks", run.id, run.epoch, f"end-{start}", *flat)
        except (StaleEpoch, IllegalTransition):
            return start  # it was started again: its new process sees to them; or somebody did
    return len(lost)


def _ending(run: FlowRun, task_id: bytes, stored: bytes) -> tuple[Argument, ...] | None:
    kind, _, record = stored.partition(b" ")
    if StateType(kind.decode()) in ENDED:
        return None
    body: dict[str, Any] = from_json(record)
    state = State(run.state.name, run.state.message)
    changed = {**body, "state": state.to_dict(), "ended": state.timestamp}
    event = task_event(run, task_id.decode(), changed, state, previous=body.get("state"))
    return task_id, state.type.value, to_json(changed), event.to_json()


def task_event(
    run: FlowRun, task_id: str, record: dict[str, Any], state: State, previous: Any
) -> Event:
    """Return the event of a task run that ended with its run."""
    task = str(record.get("task", ""))
    concerned = [
        {"id": f"flow-run.{run.id}", "role": "flow-run", "name": run.name},
        {"id": f"task.{derived_id('task', run.flow, task)}", "role": "task", "name": task},
        *related(run),
        *({"id": f"tag.{tag}", "role": "tag", "name": tag} for tag in record.get("tags", ())),
    ]
    return Event(
        event=f"task-run.{state.type.value.lower()}",
        resource={
            "id": f"task-run.{task_id}",
            "name": str(record.get("name", task_id)),
            "state": state.name,
        },
        related=concerned[:MAX_RELATED],
        payload={
            "state": state.to_dict(),
            "previous": previous.get("name") if isinstance(previous, dict) else None,
            "attempt": record.get("attempt", 0),
            "message": state.message,
        },
        follows=run.caused_by,
        causation=run.causation,
    )
