"""From the POST of an event to the HTTP call that an automation makes because of it."""

from __future__ import annotations

import asyncio
import time
from statistics import fmean, median
from typing import Any, Final

import aiohttp
from pydantic_core import from_json, to_json

from upshot.events.log import Log, milliseconds
from upshot.events.store import Store

from .bare_store import way_ms
from .figures import Bare, Benchmark, Figure
from .measuring import processor_seconds, quantile
from .open_loop import Sent, append, send
from .posting import elsewhere, post_all
from .receiver import Call, Receiver
from .sample import chunks, lines
from .stage import Stage, in_loop, until

RATE: Final = 500
APPENDED: Final = 1000
"""Events a second that are appended to the log, with no API before it."""
_AT_A_TIME: Final = 64
_BATCH: Final = 100
_CONNECTIONS: Final = 4
_ROUNDS: Final = 3
_BARE_WAY: Final = "two durable XADD and a POST in a row"


def run(quick: bool) -> list[Figure]:
    """Measure latency at a steady rate, then how many a second go all the way."""
    with Receiver() as receiver, Stage() as stage:
        stage.apply(automations=[_automation(receiver.url)])
        light, api = stage.serve_light(), stage.serve_api()
        stage.settle()
        _steady(stage, receiver, RATE)  # warm: imports, connections, compiled templates
        latency = _latency(stage, receiver, RATE * (2 if quick else 10))
        latency += _appended(stage, receiver, APPENDED * (2 if quick else 5))
        bare = elsewhere(_bare_rate, receiver.url, 2_000 if quick else 10_000)
        receiver.take()
        before = processor_seconds([light.pid]), processor_seconds([api.pid])
        count = 3_000 if quick else 15_000
        rates = [_sustained(stage, receiver, count) for _ in range(_ROUNDS)]
        cost = (processor_seconds([light.pid]) - before[0]) / count / _ROUNDS * 1e6
        shared = f"engine and dispatcher spend {cost:.0f} µs of a core per event"
    return [*latency, _sustained_figure(rates, bare, shared), _apart(count)]


def _automation(url: str) -> dict[str, Any]:
    return {
        "name": "tell-about-orders",
        "trigger": {"type": "event", "expect": ["order.created"]},
        "actions": [
            {
                "call-webhook": {
                    "url": url,
                    "body": {"n": "{{ event.payload.n }}", "sent": "{{ event.payload.sent }}"},
                }
            }
        ],
    }


def _latency(stage: Stage, receiver: Receiver, count: int) -> list[Figure]:
    rounds = [_steady(stage, receiver, count) for _ in range(_ROUNDS)]
    bare = elsewhere(way_ms, stage.store_url, receiver.port, count)
    receiver.take()
    middle = median(quantile(each, 0.5) for each, _ in rounds)
    slowest = median(quantile(each, 0.99) for each, _ in rounds)
    answered = median(quantile(sent.answered, 0.5) for _, sent in rounds) * 1000
    late = median(quantile(sent.late, 0.99) for _, sent in rounds) * 1000
    stages = stage.asked(_stages)
    return [
        Figure(
            f"POST to call at {RATE} events/s, p50", middle, "ms", 3, at_most=True,
            bare=Bare(_BARE_WAY, quantile(bare, 0.5)),
            detail=f"answered after {answered:.2f} ms (p50); {stages}",
        ),
        Figure(
            f"POST to call at {RATE} events/s, p99", slowest, "ms", 10, at_most=True,
            bare=Bare(_BARE_WAY, quantile(bare, 0.99)),
            detail=f"the load generator itself sent {late:.2f} ms late at its p99",
        ),
    ]  # fmt: skip


def _appended(stage: Stage, receiver: Receiver, count: int) -> list[Figure]:
    """Measure from the append to the call: what engine and dispatcher take together."""
    rounds = [_appended_round(stage, receiver, count) for _ in range(_ROUNDS)]
    late = median(quantile(sent.late, 0.99) for _, sent in rounds) * 1000
    durable = [seconds * 1000 for _, sent in rounds for seconds in sent.answered]
    return [
        Figure(
            f"append to call at {APPENDED:,} events/s, p{share * 100:g}",
            median(quantile(each, share) for each, _ in rounds), "ms", goal, at_most=True,
            bare=Bare("the append alone", quantile(durable, share)),
            detail=f"the load generator itself was {late:.2f} ms late at its p99",
        )
        for share, goal in ((0.5, 1.5), (0.99, 5))
    ]  # fmt: skip


def _appended_round(stage: Stage, receiver: Receiver, count: int) -> tuple[list[float], Sent]:
    sent = elsewhere(append, stage.store_url, APPENDED, count)
    until(lambda: receiver.count() >= count, "every event has led to a call")
    return _delays(receiver.take(), count), sent


def _steady(stage: Stage, receiver: Receiver, count: int) -> tuple[list[float], Sent]:
    """Send at the steady rate; return ms from POST to call for each event, and the sender's own."""
    sent = elsewhere(send, stage.port, RATE, count)
    until(lambda: receiver.count() >= count, "every event has led to a call")
    return _delays(receiver.take(), count), sent


def _delays(calls: list[Call], count: int) -> list[float]:
    bodies = [(at, from_json(body)) for at, body in calls]
    if {body["n"] for _, body in bodies} != set(range(count)):
        raise AssertionError(f"{count} events were sent; the calls do not tell of each")
    return [(at - body["sent"]) / 1e6 for at, body in bodies]


async def _stages(store: Store) -> str:
    """Return how long the engine took, and the dispatcher, by the times at which they wrote."""
    events = await Log(store).range(limit=6_000, newest_first=True)
    at = {event.id: milliseconds(event.position) for event in events}
    by_name: dict[str, list[int]] = {}
    for event in events:
        cause = event.body.get("follows")
        if cause in at:
            by_name.setdefault(event.name, []).append(milliseconds(event.position) - at[cause])
    engine, action = fmean(by_name["automation.fired"]), fmean(by_name["action.succeeded"])
    return f"mean {engine:.2f} ms from the log to the decision, {action:.2f} ms on to the outcome"


def _sustained(stage: Stage, receiver: Receiver, count: int) -> float:
    """Return events a second from the first POST to the last call."""
    bodies = [lines(batch) for batch in chunks([_order(n) for n in range(count)], _BATCH)]
    posted = elsewhere(post_all, stage.port, "/api/v1/events", bodies, _CONNECTIONS)
    until(lambda: receiver.count() >= count, "every event has led to a call", every=0.05)
    calls = receiver.take()
    _delays(calls, count)
    return count / (max(at for at, _ in calls) / 1e9 - posted.began)


def _apart(count: int) -> Figure:
    """Measure the same where engine and dispatcher don't share a processor core."""
    with Receiver() as receiver, Stage() as stage:
        stage.apply(automations=[_automation(receiver.url)])
        for service in ("engine", "dispatcher"):
            stage.serve(service)
        stage.serve_api()
        _sustained(stage, receiver, 1_000)
        rates = [_sustained(stage, receiver, count) for _ in range(_ROUNDS)]
    what = "the same, engine and dispatcher in processes of their own"
    return Figure(what, median(rates), "events/s")


def _order(number: int) -> dict[str, Any]:
    resource = {"id": f"order.{number}", "name": f"order {number}"}
    return {"event": "order.created", "resource": resource, "payload": {"n": number, "sent": 0}}


def _sustained_figure(rates: list[float], bare: float, detail: str) -> Figure:
    return Figure(
        "events/s from POST to call, none lost", median(rates), "events/s", 10_000,
        bare=Bare(f"aiohttp to the same receiver, {_AT_A_TIME} at a time", bare),
        detail=f"NDJSON batches of {_BATCH}; {detail}",
    )  # fmt: skip


def _bare_rate(url: str, count: int) -> float:
    return in_loop(lambda: _call_bare(url, count))


async def _call_bare(url: str, count: int) -> float:
    """Return calls a second of a bare client with the same body."""
    left = iter(range(count))
    body = to_json({"n": 1_000, "sent": time.monotonic_ns()})

    async def work(client: aiohttp.ClientSession) -> None:
        for _ in left:
            async with client.post(url, data=body) as answer:
                await answer.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        began = time.perf_counter()
        await asyncio.gather(*(work(client) for _ in range(_AT_A_TIME)))
        return count / (time.perf_counter() - began)


BENCHMARK: Final = Benchmark(
    "post-to-call",
    "an event is posted, an automation fires, call-webhook reaches a receiver",
    f"p50 3 ms and p99 10 ms at {RATE} events/s; from the append 1.5 and 5 ms at {APPENDED:,};"
    " 10,000 events/s sustained, none lost",
    run,
)
