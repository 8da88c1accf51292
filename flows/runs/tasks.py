"""Reads the task runs of a run a part at a time: how they stand task by task, and lists of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from pydantic_core import from_json, to_json

from upshot.events.store import Store

from ..states import ENDED, NAMES

AT_ONCE: Final = 1_000
"""Records of task runs that are read in one go: some ten milliseconds."""

TaskRun: TypeAlias = dict[str, Any]
"""The record of a task run as JSON answers show it."""


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which task runs a list shows; None means any.

    Attributes:
        state: a state's type or name. task: the task's name.
    """

    state: str | None = None
    task: str | None = None

    def fits(self, record: Mapping[str, Any]) -> bool:
        is_of_task = self.task is None or record["task"] == self.task
        return is_of_task and self.state in (None, record["state"]["type"], record["state"]["name"])

    def may_fit(self, record: bytes) -> bool:
        """Tell whether a record that was not parsed yet may fit."""
        asked = (each for each in (self.state, self.task) if each is not None)
        return all(to_json(each) in record for each in asked)


@dataclass(frozen=True, slots=True)
class Portion:
    """Some of a run's task runs, oldest first.

    Attributes:
        found: those that are wanted, each with how many of all there are up to it.
        reached: how many there are up to the end of the portion.
    """

    found: Sequence[tuple[int, TaskRun]]
    reached: int


def portion(records: Sequence[bytes], start: int, wanted: TaskFilter) -> Portion:
    """Return the portion of records that stand behind so many others; pure."""
    may = (
        (n, from_json(each)) for n, each in enumerate(records, start + 1) if wanted.may_fit(each)
    )
    return Portion([(n, record) for n, record in may if wanted.fits(record)], start + len(records))


async def portions(
    store: Store, run_id: str, start: int, wanted: TaskFilter, size: int = AT_ONCE
) -> AsyncIterator[Portion]:
    """Yield the task runs of a run, oldest first, from behind the first ``start`` on."""
    tasks, order = store.keys("tasks", run_id), store.keys("order", run_id)
    count, listed = await store.pipeline([("HLEN", tasks), ("LLEN", order)])
    if count != listed:  # an older version began the run: it has no order
        records = await asyncio.to_thread(in_order, await store.execute("HVALS", tasks))
        while part := records[start : start + size]:
            yield portion(part, start, wanted)
            start += size
        return
    while ids := await store.execute("LRANGE", order, start, start + size - 1):
        stored = await store.execute("HMGET", tasks, *ids)
        yield portion([_record(each) for each in stored if each], start, wanted)
        start += len(ids)


def _record(stored: bytes) -> bytes:
    return stored.partition(b" ")[2]


def in_order(stored: Iterable[bytes]) -> list[bytes]:
    """Return the records of all task runs of a run, oldest first; pure."""
    records = [(from_json(each), each) for each in map(_record, stored)]
    records.sort(key=lambda pair: (pair[0]["created"], pair[0]["id"]))
    return [each for _, each in records]


async def kept_sums(store: Store, run_id: str) -> list[dict[str, Any]] | None:
    """Return how the task runs of a run stand, task by task, in the order of the first calls.

    None where an older version began the run: it kept no sums.
    """
    tasks, sums = store.keys("tasks", run_id), store.keys("sums", run_id)
    count, kept = await store.pipeline([("HLEN", tasks), ("HGETALL", sums)])
    found = [_sum(task.decode(), from_json(told)) for task, told in kept.items()]
    if sum(each["runs"] for each in found) != count:
        return None
    return sorted(found, key=lambda each: (each["created"], each["task"]))


def _sum(task: str, told: Mapping[str, Any]) -> dict[str, Any]:
    states = sorted(told["states"].items(), key=lambda pair: -pair[1])
    all_ended = all(NAMES[name] in ENDED for name, _ in states)
    return {
        "task": task,
        "runs": told["runs"],
        "states": {name: int(count) for name, count in states},
        "created": told["created"],
        "started": told.get("started"),
        "ended": told.get("ended") if all_ended else None,
        "after": sorted({name for each in told["after"] for name in from_json(each)}),
    }


def summed(task_runs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the sums of task runs that are given oldest first; pure."""
    by_task: dict[str, list[Mapping[str, Any]]] = {}
    for each in task_runs:
        by_task.setdefault(each["task"], []).append(each)
    return [{"task": name, **_sum_of(found)} for name, found in by_task.items()]


def _sum_of(found: list[Mapping[str, Any]]) -> dict[str, Any]:
    ends = [each["ended"] for each in found]
    return {
        "runs": len(found),
        "states": dict(Counter(each["state"]["name"] for each in found).most_common()),
        "created": found[0]["created"],
        "started": min((each["started"] for each in found if each["started"]), default=None),
        "ended": None if None in ends else max(ends),
        "after": sorted({name for each in found for name in each.get("after", ())}),
    }
