"""The metrics: which events each one reads, and what number it finds in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .. import runs
from ..base import Facts
from .samples import Aggregate


class Metric(StrEnum):
    """What can be measured."""

    SUCCESS_RATE = "success_rate"
    FAILURE_COUNT = "failure_count"
    RUN_COUNT = "run_count"
    DURATION = "duration"
    LATENESS = "lateness"
    QUEUE_DEPTH = "queue_depth"
    EVENT_COUNT = "event_count"
    VALUE = "value"


@dataclass(slots=True, frozen=True)
class Reading:
    """How a metric reads events.

    Attributes:
        names: the events; empty where the trigger says which.
        read: the number found in one, or None where it says nothing.
        aggregate: how numbers become one, unless the trigger says.
        fixed: whether the trigger may not say otherwise.
    """

    names: tuple[str, ...]
    read: Callable[[Facts], float | None]
    aggregate: Aggregate
    fixed: bool = True


_FAILED: Final = ("flow-run.failed", "flow-run.crashed")
_JUDGED: Final = (runs.RUN_COMPLETED, *_FAILED)


def _succeeded(facts: Facts) -> float:
    return float(facts.name == runs.RUN_COMPLETED)


def _one(facts: Facts) -> float:
    return 1.0


def _started(facts: Facts) -> float | None:
    return 1.0 if runs.starts_first(facts) else None


def _duration(facts: Facts) -> float | None:
    started = runs.started(facts)
    return None if started is None else max(0.0, (runs.entered(facts) - started) / 1000)


def _lateness(facts: Facts) -> float | None:
    if not runs.starts_first(facts):
        return None
    return max(0.0, (runs.entered(facts) - runs.scheduled(facts)) / 1000)


READINGS: Final[dict[Metric, Reading]] = {
    Metric.SUCCESS_RATE: Reading(_JUDGED, _succeeded, Aggregate.AVG),
    Metric.FAILURE_COUNT: Reading(_FAILED, _one, Aggregate.COUNT),
    Metric.RUN_COUNT: Reading((runs.RUN_RUNNING,), _started, Aggregate.COUNT),
    Metric.DURATION: Reading(runs.RUN_ENDS, _duration, Aggregate.AVG, fixed=False),
    Metric.LATENESS: Reading((runs.RUN_RUNNING,), _lateness, Aggregate.AVG, fixed=False),
    Metric.QUEUE_DEPTH: Reading(runs.RUN_EVENTS, _one, Aggregate.COUNT),
    Metric.EVENT_COUNT: Reading((), _one, Aggregate.COUNT),
    Metric.VALUE: Reading((), _one, Aggregate.AVG, fixed=False),
}
