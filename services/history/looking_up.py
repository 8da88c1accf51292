"""Looks up in the store what a stretch of the log changed: the latest of each run and firing.

An event tells of one change; the store has the whole, and at least as new. What is not in the
store any more was written when it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from upshot.events.places import Place
from upshot.events.store import Commands, Store
from upshot.flows.runs.flowrun import parse_run

from .bulk import Row
from .firings import shown_firing
from .projection import Stretch, firing_row, run_row, task_row

T = TypeVar("T")

_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Changed:
    """Rows of the tables that take the place of older ones."""

    flow_runs: list[Row]
    task_runs: list[Row]
    firings: list[Row]


async def look_up(store: Store, stretch: Stretch) -> Changed:
    """Return the rows of all that a stretch changed."""
    return Changed(
        await _flow_runs(store, stretch),
        await _task_runs(store, stretch),
        await _firings(store, stretch),
    )


async def _flow_runs(store: Store, stretch: Stretch) -> list[Row]:
    rows = []
    for ids in _pieces(list(stretch.runs)):
        for run_id, (fields, score) in await _hashes(store, "run", "runs", ids):
            if fields and score is not None:
                rows.append(run_row(parse_run(fields), int(score), stretch.runs[run_id]))
    return rows


async def _task_runs(store: Store, stretch: Stretch) -> list[Row]:
    rows = []
    for pairs in _pieces(list(stretch.tasks)):
        asked: Commands = [("HGET", store.keys("tasks", run), task) for run, task in pairs]
        answers = await store.pipeline(asked)
        rows += [
            task_row(run, task, stored)
            for (run, task), stored in zip(pairs, answers, strict=True)
            if stored
        ]
    return rows


async def _firings(store: Store, stretch: Stretch) -> list[Row]:
    rows = []
    for ids in _pieces(list(stretch.firings)):
        for firing_id, (fields, score) in await _hashes(store, "firing", "firings", ids):
            if b"doc" in fields and score is not None:
                rows.append(firing_row(Place(int(score), firing_id), shown_firing(fields)))
    return rows


async def _hashes(
    store: Store, kind: str, index: str, ids: Sequence[str]
) -> list[tuple[str, tuple[dict[bytes, bytes], float | None]]]:
    """Return each one's fields and its place in the sorted set."""
    asked: Commands = []
    for each in ids:
        asked += [("HGETALL", store.keys(kind, each)), ("ZSCORE", store.keys(index), each)]
    answers: list[Any] = await store.pipeline(asked)
    return list(zip(ids, zip(answers[::2], answers[1::2], strict=True), strict=True))


def _pieces(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[first : first + _AT_ONCE] for first in range(0, len(items), _AT_ONCE))
