"""From the POST of events, in batches, to the engine's commit of what follows from them."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from statistics import median
from typing import Any, Final

from upshot.events.log import BATCH, order
from upshot.events.processes import GuardedProcess
from upshot.events.store import Store

from .bare_store import xadd_rate
from .figures import Bare, Benchmark, Figure
from .measuring import processor_seconds
from .posting import elsewhere, post_all
from .sample import chunks, lines, order_event, recorded_form
from .stage import Stage

_GOAL: Final = 60_000
_AUTOMATIONS: Final = 1000
_CONCERNED_EVERY: Final = 100
_CONNECTIONS: Final = 4
_ROUNDS: Final = 3
_PATH: Final = "/api/v1/events"
_LOOK: Final = 0.005  # seconds


def run(quick: bool) -> list[Figure]:
    """Post in turns with the bare store's rounds."""
    count = 20_000 if quick else 50_000
    with Stage() as stage:
        stage.apply(automations=[_automation(index) for index in range(_AUTOMATIONS)])
        engine, api = stage.serve("engine"), stage.serve_api()
        stage.settle()
        rounds = [_round(stage, engine, api, index * count, count) for index in range(_ROUNDS)]
        fired = stage.asked(lambda store: store.execute("ZCARD", store.keys("firings")))
    if fired != _ROUNDS * count // _CONCERNED_EVERY:
        raise AssertionError(f"{fired} firings of {_ROUNDS * count} events")
    rates, bare, by_engine, by_api = (median(column) for column in zip(*rounds, strict=True))
    return [
        Figure(
            f"POST, {BATCH} events each, to evaluated and committed", rates, "events/s", _GOAL,
            bare=Bare("XADD, packed beforehand", bare),
            detail=f"{_AUTOMATIONS:,} automations on one event name, one event in"
            f" {_CONCERNED_EVERY} fires; of a core the API spends {by_api:.1f} µs per event,"
            f" the engine {by_engine:.1f} µs",
        )
    ]  # fmt: skip


def _automation(index: int) -> dict[str, Any]:
    return {
        "name": f"order-watch-{index}",
        "trigger": {
            "type": "event",
            "expect": ["order.created"],
            "match": {"id": f"customer.{index}"},
            "where": "event.payload.amount > 100",
        },
        "actions": [{"call-webhook": {"url": "http://127.0.0.1:9/", "body": {"n": 1}}}],
    }


def _event(number: int) -> dict[str, Any]:
    """Return an event that concerns an automation, or one of a customer that none watches."""
    concerned = (number + 1) % _CONCERNED_EVERY == 0
    watched = f"customer.{number // _CONCERNED_EVERY % _AUTOMATIONS}"
    return order_event(number, customer=watched if concerned else f"customer.other-{number}")


def _round(
    stage: Stage, engine: GuardedProcess, api: GuardedProcess, first: int, count: int
) -> tuple[float, float, float, float]:
    """Return events a second, the same bare, and what the engine and the API spend on each."""
    events = [_event(number) for number in range(first, first + count)]
    bodies = [lines(batch) for batch in chunks(events, BATCH)]
    pids = engine.pid, api.pid
    before = [processor_seconds([pid]) for pid in pids]
    seconds = stage.asked(lambda store: _posted(store, stage.port, bodies))
    spent = [processor_seconds([pid]) - at for pid, at in zip(pids, before, strict=True)]
    stage.settle()
    bare = xadd_rate(stage.store_url, [recorded_form(each) for each in events])
    return count / seconds, bare, spent[0] / count * 1e6, spent[1] / count * 1e6


async def _posted(store: Store, port: int, bodies: list[bytes]) -> float:
    """Post, watching how far the engine is; return the seconds until it has all of it."""
    post = partial(elsewhere, post_all, port, _PATH, bodies, _CONNECTIONS)
    posting = asyncio.get_running_loop().run_in_executor(None, post)
    seen = [(0.0, await _cursor(store))]
    while not posting.done():
        await asyncio.sleep(_LOOK)
        seen.append((time.monotonic(), await _cursor(store)))
    last = order(await _last_from_outside(store))
    while seen[-1][1] < last:
        await asyncio.sleep(_LOOK)
        seen.append((time.monotonic(), await _cursor(store)))
    return next(at for at, cursor in seen if cursor >= last) - (await posting).began


async def _last_from_outside(store: Store) -> str:
    """Return the position of the newest event that is not the engine's own."""
    newest = await store.execute("XREVRANGE", store.keys("log"), "+", "-", "COUNT", 5 * BATCH)
    position: bytes = next(position for position, (kind, _) in newest if kind == b"e")
    return position.decode()


async def _cursor(store: Store) -> tuple[int, int]:
    cursor = await store.execute("HGET", store.keys("engine"), "cursor")
    return order(cursor.decode())


BENCHMARK: Final = Benchmark(
    "post-to-evaluated",
    "events over HTTP, in batches, until the engine has committed what follows from them",
    f"at least {_GOAL:,} events/s with {_AUTOMATIONS:,} automations",
    run,
)
