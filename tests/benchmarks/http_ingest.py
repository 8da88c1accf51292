"""HTTP ingest: NDJSON batches into one API process, each answered when it is durable."""

from __future__ import annotations

from statistics import median
from typing import Final

from upshot.events.log import BATCH

from .bare_store import xadd_rate
from .figures import Bare, Benchmark, Figure
from .measuring import processor_seconds
from .posting import elsewhere, post_all
from .sample import chunks, lines, order_event, recorded_form
from .stage import Stage

_ROUNDS: Final = 3
_CONNECTIONS: Final = 4
_PATH: Final = "/api/v1/events"


def run(quick: bool) -> list[Figure]:
    """Post in turns with the bare store's rounds."""
    count = 20_000 if quick else 50_000
    rates, bare, seconds = [], [], []
    with Stage() as stage:
        api = stage.serve_api()
        for index in range(_ROUNDS):
            events = [order_event(number) for number in range(index * count, (index + 1) * count)]
            bodies = [lines(batch) for batch in chunks(events, BATCH)]
            before = processor_seconds([api.pid])
            posted = elsewhere(post_all, stage.port, _PATH, bodies, _CONNECTIONS)
            seconds.append(processor_seconds([api.pid]) - before)
            rates.append(count / posted.seconds)
            bare.append(xadd_rate(stage.store_url, [recorded_form(each) for each in events]))
        kept = stage.asked(lambda store: store.execute("XLEN", store.keys("log")))
    sent = _ROUNDS * count
    if kept < sent:
        raise AssertionError(f"{sent - kept} acknowledged events are not in the log")
    cost = median(seconds) / count * 1e6
    return [
        Figure(
            f"POST /api/v1/events, {BATCH} events each", median(rates), "events/s", 40_000,
            bare=Bare("XADD, packed beforehand", median(bare)),
            detail=f"{_CONNECTIONS} connections; the API spends {cost:.1f} µs of a core per event",
        )
    ]  # fmt: skip


BENCHMARK: Final = Benchmark(
    "http-ingest",
    "events over HTTP into one API process, validated, deduplicated, durable when acknowledged",
    "at least 40,000 events/s a process",
    run,
)
