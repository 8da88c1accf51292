"""Moves on what is due: scheduled runs to their queues, parked actions back to their stream."""

from __future__ import annotations

from typing import Final

from upshot.events.store import Store

from .periodic import Pass

_LIMIT: Final = 500
_LONGEST_SLEEP_MS: Final = 250
"""Something new may be due before what was due next when we looked."""


def pause(moved: int, next_ms: int) -> float:
    """Return how many seconds to sleep: not at all while there may be more."""
    if moved >= _LIMIT:
        return 0.0
    if next_ms < 0:
        return _LONGEST_SLEEP_MS / 1000
    return min(next_ms + 1, _LONGEST_SLEEP_MS) / 1000


def moving(store: Store, function: str) -> Pass:
    """Return the pass that calls ``enqueue_due`` or ``unpark``."""

    async def one() -> float:
        moved, next_ms = await store.call(function, _LIMIT)
        return pause(moved, next_ms)

    return one
