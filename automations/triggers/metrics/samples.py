"""Samples of the latest while, summed up in slots of time: bounded, whatever their number.

Numbers are kept as whole millionths: so sums are exact, in whatever order they were made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from .histogram import Histogram, added, percentile

SLOTS: Final = 30
"""Slots of a range: a sample counts for a range, or up to a 30th less."""

_MILLION: Final = 1_000_000


class Aggregate(StrEnum):
    """How many samples become one number."""

    COUNT = "count"
    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    P50 = "p50"
    P90 = "p90"
    P95 = "p95"
    P99 = "p99"

    @property
    def share(self) -> float | None:
        """Which percentile it is, as a share of all; None for none."""
        return int(self.value[1:]) / 100 if self.value[1:].isdigit() else None


@dataclass(slots=True, frozen=True)
class Slot:
    """The samples of one slot of time: how many, their sum, their extremes, in millionths."""

    index: int
    count: int
    total: int
    low: int
    high: int
    histogram: Histogram

    def plus(self, value: int, *, distributed: bool) -> Slot:
        return Slot(
            self.index,
            self.count + 1,
            self.total + value,
            min(self.low, value),
            max(self.high, value),
            added(self.histogram, value) if distributed else self.histogram,
        )


@dataclass(slots=True, frozen=True)
class Samples:
    """The slots that hold samples, oldest first."""

    slots: tuple[Slot, ...] = ()

    def since(self, index: int) -> Samples:
        """Return the samples without the slots before ``index``."""
        if not self.slots or self.slots[0].index >= index:
            return self
        return Samples(tuple(slot for slot in self.slots if slot.index >= index))

    def plus(self, index: int, value: float, *, distributed: bool) -> Samples:
        """Return the samples with one more; ``distributed`` where percentiles are asked for."""
        sample = round(value * _MILLION)
        last = self.slots[-1] if self.slots else None
        if last is not None and last.index >= index:
            return Samples((*self.slots[:-1], last.plus(sample, distributed=distributed)))
        histogram = added({}, sample) if distributed else {}
        return Samples((*self.slots, Slot(index, 1, sample, sample, sample, histogram)))

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(slot.count for slot in self.slots)

    def value(self, aggregate: Aggregate) -> float | None:
        """Return the one number; None where samples are needed and there are none."""
        if aggregate is Aggregate.COUNT:
            return float(self.count)
        if not self.slots:
            return 0.0 if aggregate is Aggregate.SUM else None
        return _millions(self._whole(aggregate))

    def _whole(self, aggregate: Aggregate) -> float:
        share = aggregate.share
        if share is None:
            return _WHOLE[aggregate](self.slots)
        found = percentile([slot.histogram for slot in self.slots], share)
        return min(max(found, _low(self.slots)), _high(self.slots))

    def to_list(self) -> list[Any]:
        """Return the samples as they are kept."""
        return [
            [slot.index, slot.count, slot.total, slot.low, slot.high, dict(slot.histogram)]
            for slot in self.slots
        ]

    @classmethod
    def from_list(cls, kept: list[Any]) -> Self:
        """Read what :meth:`to_list` wrote."""
        return cls(
            tuple(
                Slot(index, count, total, low, high, {int(b): n for b, n in histogram.items()})
                for index, count, total, low, high, histogram in kept
            )
        )


def _millions(whole: float) -> float:
    return whole / _MILLION


def _total(slots: tuple[Slot, ...]) -> int:
    return sum(slot.total for slot in slots)


def _average(slots: tuple[Slot, ...]) -> float:
    return _total(slots) / sum(slot.count for slot in slots)


def _low(slots: tuple[Slot, ...]) -> int:
    return min(slot.low for slot in slots)


def _high(slots: tuple[Slot, ...]) -> int:
    return max(slot.high for slot in slots)


_WHOLE: Final[dict[Aggregate, Callable[[tuple[Slot, ...]], float]]] = {
    Aggregate.SUM: _total,
    Aggregate.AVG: _average,
    Aggregate.MIN: _low,
    Aggregate.MAX: _high,
}
