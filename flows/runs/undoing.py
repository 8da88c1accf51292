"""Decides how a run ends that has open transactions and no process: it is undone first, by another.

The way of it: cancelled, timed out, … → AwaitingUndo, in its queue → a worker's process → Undoing →
the state that it was to end in. Whatever dies on the way, the run waits to be undone again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from upshot.events.store import Argument

from ..exceptions import NotUndoable
from ..states import State, StateType, milliseconds_of
from .flowrun import FlowRun, Undo
from .transitions import Change

_MOST_DEATHS: Final = 10
_LONGEST_MS: Final = 60_000


def ending(run: FlowRun, state: State, *, owes: bool) -> Change:
    """Decide how a run without a process comes to an end.

    Args:
        owes: the run, or a part of it, has open transactions.
    """
    if not owes or state.type is StateType.COMPLETED:
        return Change(state)
    if not run.pool:
        return Change(replace(state, message=f"{state.message}; {_by_hand(run)}"))
    if state.type is StateType.CRASHED:
        return Change(state)  # a retry goes on with it; where none comes in time, see `given_up`
    return _first(run, Undo(state.name, state.message))


def _first(run: FlowRun, undo: Undo, due_ms: int = 0) -> Change:
    message = f"{undo.message}; what its open transaction did is undone first"
    fields: dict[str, Argument] = {"undo": undo.to_json(), "pause": b"", "handed": b""}
    return Change(State("AwaitingUndo", message), fields=fields, due_ms=due_ms)


def _by_hand(run: FlowRun) -> str:
    return (
        "what its open transaction did is not undone, as it was started by hand: "
        f"`upshot run undo {run.name} --code FILE.py:FLOW` does that"
    )


def died(run: FlowRun, undo: Undo, message: str, now_ms: int) -> Change:
    """Decide how a run goes on whose process died, or left, when it was to undo what is open."""
    if not run.pool:
        return Change(State(undo.name, f"{undo.message}; {_by_hand(run)}"))
    if run.handed:
        return _first(run, undo)
    deaths = undo.deaths + 1
    if deaths >= _MOST_DEATHS:
        return given_up_on(run, undo, f"{deaths} processes died of it: {message}")
    wait = min(_LONGEST_MS, 1000 * 2 ** (deaths - 2)) if deaths > 1 else 0
    return _first(run, replace(undo, deaths=deaths), now_ms + wait if wait else 0)


def given_up_on(run: FlowRun, undo: Undo, reason: str) -> Change:
    """Decide how a run ends that can't be undone so."""
    hint = f"`upshot run retry {run.name}` has the flow's own code undo it"
    hint = hint if run.pool else "try again once that is mended"
    message = f"{undo.message}; what its open transaction did is not undone: {reason}; {hint}"
    return Change(State(undo.name, message), fields={"stuck": reason[:1000].encode()})


def asked(run: FlowRun, message: str, *, owes: bool) -> Change | None:
    """Decide what becomes of a run that a person wants to be undone; None where it is already.

    Raises:
        NotUndoable: it has nothing to undo, or goes on, or no worker could do it.
    """
    if run.undo is not None:
        return None
    _require_open(run, owes)
    if not run.pool:
        raise NotUndoable(f"run {run.name}: {_by_hand(run)}")
    return _first(run, Undo("Cancelled", f"{message}; it was {run.state.name}"))


def asked_here(run: FlowRun, *, owes: bool) -> Change | None:
    """Decide the same where the code of a run by hand is at hand; None where it waits for that.

    Raises:
        NotUndoable: it has nothing to undo, or goes on, or a worker does it.
    """
    if run.pool:
        raise NotUndoable(f"run {run.name} is undone by a worker, without --code")
    if run.undo is not None and run.state.type is StateType.SCHEDULED:
        return None
    _require_open(run, owes)
    return _first(run, Undo("Cancelled", f"undone by hand; it was {run.state.name}"))


def is_left_open(stages: Iterable[bytes]) -> bool:
    """Tell whether one of a run's transactions is open, of what is stored of them.

    Runs of older versions have nothing else that says so.
    """
    return not {b"active", b"rolling-back"}.isdisjoint(stages)


def _require_open(run: FlowRun, owes: bool) -> None:
    if not owes:
        raise NotUndoable(f"run {run.name} has no open transaction")
    if not run.state.ended:
        raise NotUndoable(f"run {run.name} is {run.state.name}; cancel it, and it is undone")
    if run.state.completed:
        raise NotUndoable(f"run {run.name} has completed")


def given_up(run: FlowRun, now_ms: int, grace_ms: int) -> Change | None:
    """Decide whether a run that ended with open transactions is undone now.

    Args:
        run: with open transactions. grace_ms: how long a crashed one waits for a retry.
    """
    if not run.state.ended or run.state.completed or not run.pool or run.stuck:
        return None
    if run.state.type is not StateType.CRASHED:
        return _first(run, Undo(run.state.name, run.state.message))
    if milliseconds_of(run.state.timestamp) + grace_ms > now_ms:
        return None
    return _first(run, Undo("Cancelled", f"nobody retried it; it was {run.state.name}"))
