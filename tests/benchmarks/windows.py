"""Open windows: events that each count in one, absences told in time, a million read back."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from statistics import median
from typing import Any, Final

from pydantic_core import from_json

from upshot.events.log import BATCH, START, Log, milliseconds, order
from upshot.events.processes import GuardedProcess
from upshot.events.store import Store

from .figures import Bare, Benchmark, Figure
from .measuring import memory_of, processor_seconds, quantile
from .sample import chunks, order_event, recorded_form
from .stage import Stage, in_loop, stop, until

_CUSTOMERS: Final = 5_000
_ROUNDS: Final = 3
_ARMED: Final = 10_000
_PROBES: Final = 500
_PROBES_EVERY: Final = 0.01  # seconds
_MANY: Final = 1_000_000
_POLL: Final = 0.002


def run(quick: bool) -> list[Figure]:
    """Measure each of the three on a store of its own."""
    counting = _counting(20_000 if quick else 60_000)
    return [*counting, *_absences(), *_restart(_MANY // 10 if quick else _MANY)]


def _automation(name: str, event: str, **trigger: Any) -> dict[str, Any]:
    return {
        "name": name,
        "trigger": {"type": "event", "expect": [event], "for_each": ["id"], **trigger},
        "actions": [{"call-webhook": {"url": "http://127.0.0.1:9/", "body": {"n": 1}}}],
    }


def _counting(events: int) -> list[Figure]:
    """Let a backlog count, each event in the window of its customer."""
    with Stage(UPSHOT_LEASE="120") as stage:
        many = _automation("many-orders", "order.created", threshold=1_000_000, within="1h")
        stage.apply(automations=[many])
        engine = stage.serve("engine")
        stage.settle()
        rounds = [_count_round(stage, engine, index * events, events) for index in range(_ROUNDS)]
    rates, bare, cost = (median(column) for column in zip(*rounds, strict=True))
    return [
        Figure(
            "each event counts in one of 5,000 buckets", rates, "events/s", 20_000,
            bare=Bare("HSET of as many windows, pipelined", bare),
            detail=f"every window kept with the cursor; {cost:.1f} µs of a core per event",
        )
    ]  # fmt: skip


def _count_round(
    stage: Stage, engine: GuardedProcess, first: int, count: int
) -> tuple[float, float, float]:
    """Return events a second, windows a second that the store takes bare, and µs per event."""
    engine.send_signal(signal.SIGSTOP)
    end = stage.asked(lambda store: _fill(store, first, count))
    before, began = processor_seconds([engine.pid]), time.perf_counter()
    engine.send_signal(signal.SIGCONT)
    until(lambda: stage.asked(_cursor) >= order(end), "the engine has read them", every=_POLL)
    rate = count / (time.perf_counter() - began)
    spent = processor_seconds([engine.pid]) - before
    windows = stage.asked(lambda store: store.execute("HLEN", store.keys("engine", "windows")))
    if windows != _CUSTOMERS:
        raise AssertionError(f"{windows} windows where {_CUSTOMERS} were expected")
    return rate, in_loop(lambda: _bare_windows(stage.store_url, count)), spent / count * 1e6


async def _fill(store: Store, first: int, count: int) -> str:
    """Append events about customers in turn; return the last one's position."""
    log, last = Log(store), START
    for numbers in chunks(list(range(first, first + count)), BATCH):
        events = (order_event(each, customer=f"customer.{each % _CUSTOMERS}") for each in numbers)
        appended = await log.append_raw([("", recorded_form(event)) for event in events])
        last = appended.positions[-1] or last
    return last


async def _cursor(store: Store) -> tuple[int, int]:
    cursor = await store.execute("HGET", store.keys("engine"), "cursor")
    return order(cursor.decode())


async def _bare_windows(store_url: str, count: int) -> float:
    """Return windows a second that the store takes, 500 in a pipeline."""
    store = Store(store_url)
    body = b'{"opened":1763622000000,"count":12,"positions":["1763622000000-0"]}'
    commands = [("HSET", "bare", f"customer.{each % _CUSTOMERS}", body) for each in range(count)]
    began = time.perf_counter()
    for batch in chunks(commands, BATCH):
        await store.pipeline([*batch])
    rate = count / (time.perf_counter() - began)
    await store.execute("UNLINK", "bare")
    await store.close()
    return rate


def _absences() -> list[Figure]:
    """Let absences fall due one after another while 10,000 other timers are armed."""
    probe = _automation("probe-missed", "probe.sent", posture="Proactive", within="2s")
    armed = _automation("order-missed", "order.created", posture="Proactive", within="1h")
    for each in (probe, armed):
        each["trigger"]["after"] = each["trigger"].pop("expect")
        each["trigger"]["expect"] = ["never.comes"]
    with Stage() as stage:
        stage.apply(automations=[probe, armed])
        stage.serve("engine")
        stage.asked(_arm)
        stage.settle()
        stage.asked(_send_probes)
        until(lambda: stage.asked(_fired) >= _PROBES, "every absence was told")
        late = stage.asked(_lateness)
    return [
        Figure(
            f"absences told late, {_ARMED:,} timers armed, p99", quantile(late, 0.99), "ms", 10,
            at_most=True,
            detail=f"p50 {quantile(late, 0.5):.0f} ms, from the window's end to automation.fired"
            f" in the log, of {_PROBES} at {1 / _PROBES_EVERY:.0f} a second",
        )
    ]  # fmt: skip


async def _arm(store: Store) -> None:
    log = Log(store)
    for numbers in chunks(list(range(_ARMED)), BATCH):
        events = (order_event(each, customer=f"customer.{each}") for each in numbers)
        await log.append_raw([("", recorded_form(event)) for event in events])


async def _send_probes(store: Store) -> None:
    log = Log(store)
    for number in range(_PROBES):
        event = order_event(number, name="probe.sent", customer=f"probe.{number}")
        await log.append_raw([("", recorded_form(event))])
        await asyncio.sleep(_PROBES_EVERY)


async def _fired(store: Store) -> int:
    return int(await store.execute("ZCARD", store.keys("firings")))


async def _lateness(store: Store) -> list[float]:
    """Return how many ms after its window's end each absence stood in the log."""
    told = await Log(store).range(limit=4 * _PROBES, newest_first=True)
    fired = [event for event in told if event.name == "automation.fired"]
    firings = [from_json(await _doc(store, event.payload["firing"])) for event in fired]
    return [
        float(milliseconds(event.position) - firing["at"])
        for event, firing in zip(fired, firings, strict=True)
    ]


async def _doc(store: Store, firing: str) -> bytes:
    doc: bytes = await store.execute("HGET", store.keys("firing", firing), "doc")
    return doc


def _restart(windows: int) -> list[Figure]:
    """Start an engine where so many windows are open; all but one are copies of a real one."""
    with Stage() as stage:
        watch = _automation("many-orders", "order.created", threshold=1_000_000, within="30d")
        stage.apply(automations=[watch])
        engine = stage.serve("engine")
        stage.asked(lambda store: _fill(store, 0, 1))
        stage.settle()
        stop(engine)
        stage.asked(lambda store: _multiply(store, windows))
        began = time.perf_counter()
        engine = stage.serve("engine")
        end = stage.asked(lambda store: _fill(store, 1, 1))
        until(lambda: stage.asked(_cursor) >= order(end), "the engine reads on", every=_POLL)
        seconds, memory = time.perf_counter() - began, memory_of(engine.pid)
    what = f"restart with {windows:,} open windows"
    return [
        Figure(f"{what}: spawn to the next commit", seconds, "s", 10, at_most=True),
        Figure(f"{what}: RSS of the engine", memory.rss, "MB", 1024, at_most=True),
    ]


async def _multiply(store: Store, windows: int) -> None:
    """Put copies of the one window that is kept under buckets of their own."""
    key = store.keys("engine", "windows")
    field, body = (await store.execute("HGETALL", key)).popitem()
    bucket = b"customer.0"
    names = (field.replace(bucket, b"customer.%d" % number) for number in range(1, windows))
    for batch in _batches(names, 5_000):
        flat = [part for name in batch for part in (name, body)]
        await store.execute("HSET", key, *flat)


def _batches(items: Iterator[bytes], size: int) -> Iterator[list[bytes]]:
    while batch := [item for _, item in zip(range(size), items, strict=False)]:
        yield batch


BENCHMARK: Final = Benchmark(
    "windows",
    "events that each count in a window, absences told in time, and a restart with many open",
    "20,000 events/s; absences late by 10 ms at p99; a million windows back in 10 s and 1 GB",
    run,
)
