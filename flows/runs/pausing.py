"""Decides what pausing and resuming make of a run; ``registry.py`` and flow processes act on it."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from upshot.events.store import Argument

from ..exceptions import InvalidInput, NotPausable, NotResumable
from ..states import State, StateType, milliseconds_of
from .flowrun import ANSWER, FlowRun, Pause
from .transitions import Change, Seen


def leaves(run: FlowRun) -> bool:
    """Tell whether the process of a paused run ends: a worker can start another one later."""
    return bool(run.pool)


def paused(run: FlowRun, message: str) -> Change | None:
    """Decide how a run is paused from outside; None where it is already.

    Raises:
        NotPausable: it has ended, or is to be cancelled.
    """
    kind = run.state.type
    if kind is StateType.PAUSED:
        return None
    if run.state.ended or kind is StateType.CANCELLING or run.undo is not None:
        raise NotPausable(f"run {run.name} is {run.state.name}, so it can't be paused")
    under_way = kind is not StateType.SCHEDULED
    name = "Suspended" if under_way and leaves(run) else "Paused"
    return Change(State(name, message), lease=under_way, fields={"pause": b""})


def resumed(run: FlowRun, message: str, seen: Seen, given: object = None) -> Change | None:
    """Decide how a run goes on that a person resumes; None where it goes on already.

    Args:
        given: the input, None for none.

    Raises:
        NotResumable: it has ended, waits for an event, or nobody could run it.
        InvalidInput: naming what is wrong with each field.
    """
    if run.state.type is not StateType.PAUSED:
        _require_resumed(run, given)
        return None
    if run.pause is not None and run.pause.awaits is not None:
        raise NotResumable(f"run {run.name} waits for an event, not for a person")
    if run.pause is None:
        if given is not None:
            raise NotResumable(f"run {run.name} was paused from outside and takes no input")
        return _going_on(run, message, seen)
    check_input(run.pause, given)
    answer: dict[str, Argument] = {ANSWER + run.pause.key: to_json({"value": given})}
    return _going_on(run, message, seen, answer)


def _require_resumed(run: FlowRun, given: object) -> None:
    if run.state.ended or run.state.type is StateType.CANCELLING or given is not None:
        raise NotResumable(f"run {run.name} is {run.state.name}, so it can't be resumed")


def answered(
    run: FlowRun, key: str, answer: dict[str, Any], message: str, seen: Seen
) -> Change | None:
    """Decide how a run goes on whose waiting has ended; None where it does not wait (any more)."""
    if run.state.type is not StateType.PAUSED or run.pause is None or run.pause.key != key:
        return None
    fields: dict[str, Argument] = {ANSWER + key: to_json(answer)}
    return _going_on(run, message, seen, fields)


def _going_on(
    run: FlowRun, message: str, seen: Seen, fields: dict[str, Argument] | None = None
) -> Change:
    """Let a paused run go on: in the process that it has, else in another one, same attempt.

    Raises:
        NotResumable: it has no process, and no worker could start one.
    """
    cleared: dict[str, Argument] = {**(fields or {}), "pause": b""}
    if seen.occupied:
        return Change(State("Running", message), fields=cleared)
    if not run.pool:
        raise NotResumable(f"run {run.name} was started by hand, and its process is gone")
    begun = run.attempt > 0
    due = milliseconds_of(run.scheduled) if run.scheduled and not begun else 0
    if begun:
        cleared["resumed"] = b"1"
    return Change(
        State("Scheduled", message), fields=cleared, due_ms=due if due > seen.now_ms else 0
    )


def check_input(pause: Pause, given: object) -> None:
    """Do nothing where an input is what a pause asks for.

    Raises:
        InvalidInput: naming each field that is wrong.
    """
    if pause.schema is None:
        if given is not None:
            raise InvalidInput([("input", "no input is asked for")])
        return
    if given is None:
        raise InvalidInput([("input", "is required; the run's pause has its schema")])
    from ..schemas.fitting import mismatches  # what it needs would weigh on each flow process

    if wrong := list(mismatches(pause.schema, given)):
        raise InvalidInput(wrong)
