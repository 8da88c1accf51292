"""Append: the log's own function, next to plain pipelined XADD of the same bytes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any, Final

from pydantic_core import to_json

from upshot.events.event import Event
from upshot.events.log import BATCH, Log
from upshot.events.store import Store

from .bare_store import IN_FLIGHT, xadd_rate
from .figures import Bare, Benchmark, Figure
from .sample import chunks, order_event
from .stage import Stage

_ROUNDS: Final = 5

Append = Callable[[list[Any]], Awaitable[object]]


def run(quick: bool) -> list[Figure]:
    """Append the same bytes both ways, in turns."""
    count = 5_000 if quick else 20_000
    with Stage() as stage:
        rounds = [_measure(stage, index * count, count) for index in range(_ROUNDS)]
    ours, validated, bare, client = (median(column) for column in zip(*rounds, strict=True))
    probe = Bare("XADD, packed beforehand", bare)
    return [
        Figure(
            f"Log.append, {BATCH} at a time", ours, "events/s", 0.6, bare=probe, of_bare=True,
            detail="serialised, deduplicated, synced to disk",
        ),
        Figure(
            "the same from JSON, each event validated", validated, "events/s", 0.6,
            bare=probe, of_bare=True, detail="the whole way of an event, in one process",
        ),
        Figure("XADD, pipelined by redis-py", client, "events/s", bare=probe),
    ]  # fmt: skip


def _measure(stage: Stage, first: int, count: int) -> tuple[float, float, float, float]:
    return stage.asked(lambda store: _round(store, first, count))


async def _round(store: Store, first: int, count: int) -> tuple[float, float, float, float]:
    raw = [order_event(number) for number in range(first, first + count)]
    events = [Event.model_validate(each) for each in raw]
    texts = [to_json({**each, "id": f"again-{each['id']}"}) for each in raw]
    log = Log(store)
    ours = await _rate(events, log.append)
    validated = await _rate(texts, lambda batch: log.append(map(Event.model_validate_json, batch)))
    bare = xadd_rate(store.url, [event.to_json() for event in events])
    client = await _rate([event.to_json() for event in events], lambda batch: _xadd(store, batch))
    return ours, validated, bare, client


async def _rate(items: list[Any], append: Append) -> float:
    """Return items a second, with so many batches under way as the bare probe has."""
    batches = list(reversed(list(chunks(items, BATCH))))

    async def write() -> None:
        while batches:
            await append(batches.pop())

    began = time.perf_counter()
    await asyncio.gather(*(write() for _ in range(IN_FLIGHT)))
    return len(items) / (time.perf_counter() - began)


async def _xadd(store: Store, bodies: list[bytes]) -> None:
    await store.pipeline([("XADD", "bare", "*", "e", body) for body in bodies])


BENCHMARK: Final = Benchmark(
    "append",
    "appending to the log, durable, next to the bare store",
    "at least 60 % of pipelined XADD",
    run,
)
