"""Asking over HTTP: when an event is visible, when a rule is in force, how fast the past is run."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median
from typing import Any, Final

from upshot.events.event import Event
from upshot.events.log import BATCH, Log
from upshot.events.processes import GuardedProcess
from upshot.events.store import Store
from upshot.services.client import Client

from .figures import Bare, Benchmark, Figure
from .measuring import quantile
from .open_loop import send
from .posting import elsewhere
from .sample import chunks, order_event
from .stage import Stage, until

_MANY: Final = 10_000
_RATE: Final = 500
_ADDED: Final = 20
_POLL: Final = 0.001
_CUSTOMERS: Final = 5_000
_CONCERNED_EVERY: Final = 100
_SOME: Final = {"id": [f"customer.{n}" for n in range(0, _CUSTOMERS, _CONCERNED_EVERY)]}
"""A match of one event in so many."""
_PATIENCE: Final = 120.0


def run(quick: bool) -> list[Figure]:
    """Measure each on a store of its own."""
    return [_visible(100 if quick else 500), _added(), *_backtests(50_000 if quick else 300_000)]


def _visible(count: int) -> Figure:
    """Post single events; ask for each until the answer has it."""
    with Stage() as stage:
        stage.serve_light()
        stage.serve("archiver")
        stage.serve_api()
        client = _client(stage)
        delays, answers = zip(*(_seen(client, n) for n in range(count)), strict=True)
    return Figure(
        "an event visible in GET /events after its 202, p99", quantile(delays, 0.99), "ms", 10,
        at_most=True,
        bare=Bare("one GET /events", median(answers)),
        detail=f"p50 {median(delays):.2f} ms, the question that finds it included",
    )  # fmt: skip


def _seen(client: Client, number: int) -> tuple[float, float]:
    """Return ms from an event's acknowledgement to the answer that has it, and of one answer."""
    event = order_event(number, name="order.seen")
    client.post("/events", event)
    acknowledged = time.perf_counter()
    while True:
        asked = time.perf_counter()
        items = client.get("/events", {"event": "order.seen", "limit": 1})["items"]
        now = time.perf_counter()
        if items and items[0]["id"] == event["id"]:
            return (now - acknowledged) * 1000, (now - asked) * 1000


def _added() -> Figure:
    """Add automations to 10,000 while events flow; look when the engine has each in force."""
    with Stage() as stage:
        stage.apply(automations=[_automation(f"order-watch-{n}", n) for n in range(_MANY)])
        stage.serve_light()
        stage.serve_api()
        stage.settle()
        client = _client(stage)
        client.post("/automations", _automation("warm", _MANY))
        with _flow(stage.port, seconds=6):
            delays = [stage.asked(_put_in_force(client, number)) for number in range(_ADDED)]
    return Figure(
        f"an automation more than {_MANY:,}, from POST to in force, slowest", max(delays), "ms", 50,
        at_most=True,
        detail=f"p50 {median(delays):.1f} ms, of {_ADDED}, while {_RATE} events/s come in",
    )  # fmt: skip


def _automation(name: str, number: int) -> dict[str, Any]:
    return {
        "name": name,
        "trigger": {"type": "event", "expect": ["order.made"], "match": {"id": f"only.{number}"}},
        "actions": [{"call-webhook": {"url": "http://127.0.0.1:9/", "body": {"n": 1}}}],
    }


@contextmanager
def _flow(port: int, seconds: int) -> Iterator[None]:
    """Let events come in beside what is measured."""
    with ThreadPoolExecutor(1) as beside:
        sent = beside.submit(elsewhere, send, port, _RATE, _RATE * seconds)
        time.sleep(1.5)
        yield
        sent.result()


def _put_in_force(client: Client, number: int) -> Callable[[Store], Any]:
    async def put(store: Store) -> float:
        await store.execute("PING")  # connected before it counts
        began = time.perf_counter()
        made = client.post("/automations", _automation(f"added-{number}", _MANY + 1 + number))
        while not await store.execute("HEXISTS", store.keys("engine", "definitions"), made["id"]):
            time.sleep(_POLL)  # noqa: ASYNC251 - nothing else runs in this loop
        return (time.perf_counter() - began) * 1000

    return put


def _client(stage: Stage) -> Client:
    return Client(f"http://127.0.0.1:{stage.port}", timeout=_PATIENCE)


def _backtests(count: int) -> list[Figure]:
    """Run an automation over the recorded log, then over the same events in the archive alone."""
    with Stage() as stage:
        stage.asked(lambda store: _fill(store, count))
        archiver = stage.serve("archiver")
        until(lambda: _archived(stage) == count, "the archiver has the whole log", 0.1)
        _end(archiver)
        stage.serve_api()
        over_log = _backtest(stage, count, _SOME)
        each_judged = _backtest(stage, count, {})
        stage.asked(lambda store: store.execute("XTRIM", store.keys("log"), "MAXLEN", 0))
        over_archive = _backtest(stage, count, _SOME)
    detail = f"over HTTP, end to end: {count:,} events, one in {_CONCERNED_EVERY} fires"
    return [
        Figure("backtest over the recorded log", over_log, "events/s", 50_000, detail=detail),
        Figure("the same, a CEL condition judged on each event", each_judged, "events/s"),
        Figure("backtest over the archive", over_archive, "events/s", 50_000, detail=detail),
    ]


def _archived(stage: Stage) -> int:
    counters = stage.asked(
        lambda store: store.execute("HGET", store.keys("counters"), "read:archiver")
    )
    return int(counters or 0)


def _end(process: GuardedProcess) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait()


def _backtest(stage: Stage, count: int, match: dict[str, list[str]]) -> float:
    """Return events a second of a rule for events with these labels."""
    tested = {
        "name": "order-watch",
        "trigger": {
            "type": "event",
            "expect": ["order.created"],
            "match": match,
            "where": f"event.payload.order % {_CONCERNED_EVERY} == 0",
        },
        "actions": [{"call-webhook": {"url": "http://a/", "body": {"n": "{{ event.id }}"}}}],
    }
    began = time.perf_counter()
    found = _client(stage).post("/automations/backtest", {"automation": tested, "since": "1h"})
    rate = count / (time.perf_counter() - began)
    if (found["events"], found["counts"]["firings"]) != (count, count // _CONCERNED_EVERY):
        raise AssertionError(f"{found['events']} events read, {found['counts']} decided")
    return rate


async def _fill(store: Store, count: int) -> None:
    log = Log(store)
    for numbers in chunks(list(range(count)), BATCH):
        made = (order_event(each, customer=f"customer.{each % _CUSTOMERS}") for each in numbers)
        await log.append(map(Event.model_validate, made))


BENCHMARK: Final = Benchmark(
    "asking",
    "events and rules that were just sent, and the past, asked over HTTP",
    "visible in 10 ms at p99; one automation more than 10,000 in 50 ms; backtest 50,000 events/s",
    run,
)
