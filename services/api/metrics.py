"""``/metrics``: what the store counts, in Prometheus' words; no process keeps its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.responses import Response

from .parts import Served
from .snapshot import Snapshot, take

router = APIRouter(tags=["health"])

BOUNDS_MS: Final = (
    "1", "2.5", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000",
    "30000", "60000",
)  # fmt: skip
"""Upper bounds of the histograms that ``functions/core.lua`` keeps, in milliseconds."""

_COUNTED: Final = (
    # name, help, labels, prefix of the counters whose rest has the labels' values
    ("firings", "What automations decided, by outcome.", ("outcome",), "firings:"),
    ("actions", "Actions that ended, by type and outcome.", ("type", "outcome"), "actions:"),
    (
        "run_transitions",
        "State changes of flow runs and task runs.",
        ("kind", "state"),
        "run_transitions:",
    ),
    ("rejected", "Requests that were refused before the log, by reason.", ("reason",), "rejected:"),
)
_HISTOGRAMS: Final = (
    (
        "event_to_action",
        "From the arrival of the event that fired to the start of its first action.",
    ),
    ("schedule_to_start", "From the moment a run was due to its start."),
)
_TIMER_GAUGE: Final = "gauge:timers:"


@router.get("/metrics")
async def metrics(request: Request, parts: Served) -> Response:
    """Tell the metrics in the format that Prometheus scrapes."""
    await parts.rejections.flush()
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(list(families(await take(parts.store)))))
    return Response(encode(registry), headers={"Content-Type": content_type})


class _Told(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def families(seen: Snapshot) -> Iterator[Metric]:
    """Yield every metric; pure."""
    yield from _totals(seen)
    for name, told, labels, prefix in _COUNTED:
        yield _labelled(seen.counters, name, told, labels, prefix)
    for name, told in _HISTOGRAMS:
        yield _histogram(seen.counters, name, told)
    yield from _gauges(seen)


def _totals(seen: Snapshot) -> Iterator[Metric]:
    counted = seen.counters.get
    totals = (
        ("events_appended", "Events in the log since its beginning.", seen.appended),
        ("events_evaluated", "Events that the engine evaluated.", counted("evaluated", 0)),
        ("duplicates", "Events refused as known already.", counted("duplicates", 0)),
        ("leases_lost", "Leases that a process lost to another one.", counted("leases_lost", 0)),
    )
    for name, told, value in totals:
        yield CounterMetricFamily(f"upshot_{name}", told, value=value)


def _labelled(
    counters: dict[str, float], name: str, told: str, labels: tuple[str, ...], prefix: str
) -> Metric:
    family = CounterMetricFamily(f"upshot_{name}", told, labels=labels)
    for counter, value in sorted(counters.items()):
        values = counter.removeprefix(prefix).split(":")
        if counter.startswith(prefix) and len(values) == len(labels):
            family.add_metric(values, value)
    return family


def _histogram(counters: dict[str, float], name: str, told: str) -> Metric:
    family = HistogramMetricFamily(f"upshot_{name}_seconds", told)
    buckets, total = [], 0.0
    for bound in BOUNDS_MS:
        total += counters.get(f"~{name}:{bound}", 0)
        buckets.append((str(float(bound) / 1000), total))
    buckets.append(("+Inf", total + counters.get(f"~{name}:inf", 0)))
    family.add_metric([], buckets, counters.get(f"~{name}:sum", 0) / 1000)
    return family


def _gauges(seen: Snapshot) -> Iterator[Metric]:
    lags = {"engine": seen.unread, "dispatcher": seen.actions}
    lags |= {"archiver": seen.unarchived} if seen.archives else {}
    lags |= {f"workers/{pool}": waiting for pool, waiting in seen.queued.items()}
    yield _gauge("runs", "Flow runs in each state.", "state", seen.runs)
    yield _gauge("consumer_lag", "Entries that a consumer has not done with.", "consumer", lags)
    yield _gauge("timers", "What waits for a moment, by kind.", "kind", _timers(seen))
    yield GaugeMetricFamily(
        "upshot_dead_letters", "Actions that were given up.", value=seen.dead_letters
    )
    yield GaugeMetricFamily(
        "upshot_store_memory_bytes", "Memory that the store uses.", value=seen.memory
    )


def _timers(seen: Snapshot) -> dict[str, float]:
    timers: dict[str, float] = defaultdict(
        float, {"run": seen.due, "action": seen.later, "window": seen.windows}
    )
    for counter, value in seen.counters.items():
        if counter.startswith(_TIMER_GAUGE):
            timers[counter.removeprefix(_TIMER_GAUGE)] = value
    return timers


def _gauge(name: str, told: str, label: str, values: dict[str, int] | dict[str, float]) -> Metric:
    family = GaugeMetricFamily(f"upshot_{name}", told, labels=[label])
    for value, number in sorted(values.items()):
        family.add_metric([value], number)
    return family
