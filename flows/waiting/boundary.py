"""Boundaries: where the code of a run stops that was paused meanwhile, as before each task.

A run that a worker can start again is left by its process there; any other one waits there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ..exceptions import Suspending
from ..runs.pausing import leaves
from ..states import State, StateType

if TYPE_CHECKING:
    from ..context import RunContext
    from ..journal.held import HeldRun
    from ..journal.journal import Journal

_SLEEP_SECONDS: Final = 1
"""How long a thread may be deaf to being interrupted."""


def pass_boundary(context: RunContext) -> None:
    """Return at once, or when a run that was paused goes on: this one, or one that it is part of.

    Raises:
        Suspending: the process is to leave.
    """
    for each in context.outward():
        if each.held.halted:
            stand_still(each.journal, each.held)


async def pass_boundary_async(context: RunContext) -> None:
    """Do the same in a coroutine."""
    if any(each.held.halted for each in context.outward()):
        await asyncio.to_thread(pass_boundary, context)


def require_done(context: RunContext) -> None:
    """Do nothing where no task was left out for a pause.

    Raises:
        Suspending: one was, so the function that returned has not done all that it was to do.
    """
    for each in context.outward():
        if each.held.unfinished:
            raise Suspending(each.id)


def raise_halt(states: Iterable[State]) -> None:
    """Raise what stopped a task at its boundary, where one of these states tells of it."""
    for state in states:
        if isinstance(state.data, Suspending):
            raise state.data


def stand_still(journal: Journal, held: HeldRun) -> None:
    """Return when a run is not paused any more.

    Raises:
        Suspending: its process is to leave.
    """
    with held.waiting:
        while journal.refresh(held) is StateType.PAUSED:
            if held.run.state.name == "Suspended" and leaves(held.run):
                held.unfinished = True
                raise Suspending(held.run.id)
            sleep(journal, held)
        held.halted = False


def sleep(journal: Journal, held: HeldRun, seconds: float = _SLEEP_SECONDS) -> None:
    """Sleep until a paused run goes on, or for some time."""
    timeout = max(0.01, min(seconds, _SLEEP_SECONDS))
    journal.execute("BLPOP", journal.keys("wake", held.run.id), timeout)
