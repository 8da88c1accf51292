"""The engine: how fast a backlog is evaluated and committed, by the number of automations."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from upshot.events.log import BATCH, START, Log, order
from upshot.events.processes import GuardedProcess
from upshot.events.store import Store

from .figures import Bare, Benchmark, Figure
from .measuring import processor_seconds
from .sample import chunks, order_event, recorded_form
from .stage import Stage, in_loop

CONCERNED_EVERY: Final = 100
"""One event in so many concerns an automation; each of those fires."""

_GOALS: Final[dict[int, float | None]] = {10: None, 100: None, 1000: 50_000, 10_000: 30_000}
_ROUNDS: Final = 3
_POLL: Final = 0.002


@dataclass(frozen=True, slots=True)
class Backlog:
    """How a backlog was read: events a second, with the engine and without; its cost per event."""

    rate: float
    bare: float
    microseconds: float


def run(quick: bool) -> list[Figure]:
    """Measure each number of automations on a store of its own."""
    events = 30_000 if quick else 100_000
    figures = [
        _figure(f"{many:,} automations on one event name", _measure(many, 1, events), goal)
        for many, goal in _GOALS.items()
    ]
    spread = _measure(1000, 100, events)
    return [*figures, _figure("1,000 automations on 100 event names", spread, _GOALS[1000])]


def _figure(what: str, backlog: Backlog, goal: float | None) -> Figure:
    return Figure(
        what, backlog.rate, "events/s", goal,
        bare=Bare("XRANGE and JSON only", backlog.bare),
        detail=f"{backlog.microseconds:.1f} µs of a core per event",
    )  # fmt: skip


def _measure(automations: int, names: int, events: int) -> Backlog:
    # The engine sleeps while the backlog is made: no lease must run out meanwhile.
    with Stage(UPSHOT_LEASE="120") as stage:
        stage.apply(automations=[_automation(index, names) for index in range(automations)])
        engine = stage.serve("engine")
        stage.settle()
        rounds = [
            _round(stage, engine, range(index * events, (index + 1) * events), automations, names)
            for index in range(_ROUNDS)
        ]
    rates, bare, cost = zip(*rounds, strict=True)
    return Backlog(median(rates), median(bare), median(cost))


def _round(
    stage: Stage, engine: GuardedProcess, numbers: range, automations: int, names: int
) -> tuple[float, float, float]:
    """Make a backlog while the engine sleeps, then wake it; return rate, bare rate and cost."""
    count = len(numbers)
    engine.send_signal(signal.SIGSTOP)
    first, end = stage.asked(lambda store: _fill(store, numbers, automations, names))
    bare = count / stage.asked(lambda store: _read_bare(store, first))
    seconds, processor = in_loop(lambda: _catch_up(stage.store_url, engine, end))
    stage.settle()
    _require_firings(stage, numbers.stop // CONCERNED_EVERY)
    return count / seconds, bare, processor / count * 1e6


def _automation(index: int, names: int) -> dict[str, Any]:
    return {
        "name": f"order-watch-{index}",
        "trigger": {
            "type": "event",
            "expect": [_event_name(index, names)],
            "match": {"id": f"customer.{index}"},
            "where": "event.payload.amount > 100",
        },
        "actions": [{"call-webhook": {"url": "http://127.0.0.1:9/", "body": {"n": 1}}}],
    }


def _event_name(index: int, names: int) -> str:
    return f"order.created-{index % names}"


def _event(number: int, automations: int, names: int) -> dict[str, Any]:
    """Return an event that concerns an automation, or one that finds none of its customer."""
    concerned = (number + 1) % CONCERNED_EVERY == 0
    index = number // CONCERNED_EVERY % automations
    customer = f"customer.{index}" if concerned else f"customer.other-{number}"
    return order_event(number, name=_event_name(index, names), customer=customer)


async def _fill(store: Store, numbers: range, automations: int, names: int) -> tuple[str, str]:
    """Append the backlog; return the position before it and its last one."""
    log = Log(store)
    before, last = await log.end(), START
    for batch in chunks(list(numbers), BATCH):
        bodies = [recorded_form(_event(number, automations, names)) for number in batch]
        appended = await log.append_raw([("", body) for body in bodies])
        last = appended.positions[-1] or last
    return before, last


async def _read_bare(store: Store, cursor: str) -> float:
    """Return the seconds that reading and decoding the backlog take by themselves."""
    log = Log(store)
    began = time.perf_counter()
    while (page := await log.read(cursor)).events:
        cursor = page.cursor
    return time.perf_counter() - began


async def _catch_up(store_url: str, engine: GuardedProcess, end: str) -> tuple[float, float]:
    """Wake the engine; return the seconds until its cursor has passed the end, and its own."""
    store = Store(store_url)
    before = processor_seconds([engine.pid])
    began = time.perf_counter()
    engine.send_signal(signal.SIGCONT)
    while not await _passed(store, end):
        time.sleep(_POLL)  # noqa: ASYNC251 - nothing else runs in this loop
    seconds = time.perf_counter() - began
    await store.close()
    return seconds, processor_seconds([engine.pid]) - before


async def _passed(store: Store, end: str) -> bool:
    cursor = await store.execute("HGET", store.keys("engine"), "cursor")
    return cursor is not None and order(cursor.decode()) >= order(end)


def _require_firings(stage: Stage, expected: int) -> None:
    """Make sure that what was measured was done."""
    made = stage.asked(lambda store: store.execute("ZCARD", store.keys("firings")))
    if made != expected:
        raise AssertionError(f"{made} firings where {expected} were expected")


BENCHMARK: Final = Benchmark(
    "engine",
    f"a backlog of events evaluated and committed; one in {CONCERNED_EVERY} fires",
    "at least 50,000 events/s with 1,000 automations, 30,000 with 10,000 on the same event name",
    run,
)
