"""Runs that this process does not have, as its code reads and changes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from upshot.events.exceptions import Conflict, NotFound

from ..runs.flowrun import FlowRun, parse_run
from ..runs.transitions import Change, Seen, change_arguments

if TYPE_CHECKING:
    from upshot.events.store import SyncStore

    from ..journal.journal import Journal

_ATTEMPTS: Final = 20


def read_run(store: Journal | SyncStore, run_id: str) -> FlowRun | None:
    """Return a run as the store has it, or None where there is none."""
    fields = store.execute("HGETALL", store.keys("run", run_id))
    return parse_run(fields) if fields else None


def change_run(
    store: Journal | SyncStore,
    run_id: str,
    decide: Callable[[FlowRun, Seen], Change | None],
    *,
    lease_ms: int,
) -> None:
    """Do what is decided about a run; None leaves it as it is.

    Raises:
        NotFound: no run has this id. Conflict: it keeps changing.
    """
    for _ in range(_ATTEMPTS):
        run = read_run(store, run_id)
        if run is None:
            raise NotFound(f"no run has the id {run_id!r}")
        asked = Seen.commands(store.keys, run_id)
        change = decide(run, Seen.of([store.execute(*each) for each in asked]))
        if change is None:
            return
        try:
            store.call("transition", *change_arguments(run, change, lease_ms=lease_ms))
        except Conflict:
            continue
        return
    raise Conflict(f"run {run_id} keeps changing")
