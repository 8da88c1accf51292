"""Medians and quantiles, and what a process costs in memory and processor time."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_ROLLUP: Final = re.compile(r"^(Rss|Pss|Private_Dirty): +(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of one process or several, in MB.

    Attributes:
        rss: resident. pss: the same with shared pages divided among those who share them.
    """

    rss: float
    pss: float

    def __add__(self, other: Memory) -> Memory:
        return Memory(self.rss + other.rss, self.pss + other.pss)


def repeat(times: int, measure: Callable[[], float]) -> float:
    """Return the median of several measurements."""
    return median(measure() for _ in range(times))


def quantile(values: Iterable[float], share: float) -> float:
    """Return the value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def memory_of(pid: int) -> Memory:
    """Return a process's memory; where there is no ``/proc``, the resident size for both."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        shown = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True
        ).stdout
        return Memory(int(shown) / 1024, int(shown) / 1024)
    kilobytes = {name: int(size) for name, size in _ROLLUP.findall(text)}
    return Memory(kilobytes["Rss"] / 1024, kilobytes["Pss"] / 1024)


def processor_seconds(pids: Sequence[int]) -> float:
    """Return the processor time that these processes have used so far; 0 without ``/proc``."""
    total = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / _TICKS
    return total
