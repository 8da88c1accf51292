"""Decides what retrying, cancelling and the like make of a run; ``registry.py`` acts on it."""

from __future__ import annotations

from pydantic_core import to_json

from ..exceptions import NotRetryable
from ..states import RETRYABLE, State, StateType
from .flowrun import FlowRun
from .transitions import Change, Seen
from .undoing import ending


def retried(run: FlowRun, message: str, task: str | None = None) -> Change:
    """Decide how an ended run is scheduled again.

    Args:
        task: from whose first call on what was done is done again.

    Raises:
        NotRetryable: it is not Failed, Crashed or Cancelled, or no worker could run it.
    """
    if run.state.type not in RETRYABLE:
        raise NotRetryable(
            f"run {run.name} is {run.state.name}; "
            "only an ended one that did not complete can be retried"
        )
    _require_worker(run)
    if task is None:
        return Change(State("AwaitingRetry", message))
    marks = [*run.again, (task, str(run.version))]
    state = State("AwaitingRetry", f"{message} from {task}")
    return Change(state, fields={"again": to_json(marks)})


def cancelled(run: FlowRun, message: str, seen: Seen) -> Change | None:
    """Decide how a run is cancelled; None where it has ended or is about to."""
    kind = run.state.type
    if run.state.ended or kind is StateType.CANCELLING or run.undo is not None:
        return None
    if kind in {StateType.SCHEDULED, StateType.PAUSED} and not seen.occupied:
        return ending(run, State("Cancelled", message), owes=seen.owes)
    return Change(State("Cancelling", message))


def moved(run: FlowRun, state: State, seen: Seen) -> Change | None:
    """Decide how a run is put into a state; None where it is in it.

    What is open is undone before a run without a process ends; that, too, can be ended so.

    Raises:
        NotRetryable: it would wait for a worker, and none could run it.
    """
    if run.state.name == state.name:
        return None
    if state.type is StateType.SCHEDULED:
        _require_worker(run)
        if run.state.type is StateType.CANCELLING:
            raise NotRetryable(f"run {run.name} is about to be cancelled")
    if state.ended and not run.state.ended and not seen.occupied and run.undo is None:
        return ending(run, state, owes=seen.owes)
    return Change(state)


def _require_worker(run: FlowRun) -> None:
    if not run.pool:
        raise NotRetryable(f"run {run.name} was started by hand, so no worker can retry it")
