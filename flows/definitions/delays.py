"""How long to wait before each retry."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import TypeAlias

Delays: TypeAlias = float | Sequence[float] | Callable[[int], Sequence[float]]
"""Seconds before each retry: the same each time, one after the other, or made from their number."""


def check_delays(delays: object) -> None:
    """Refuse delays that make no sense.

    Raises:
        ValueError: naming the option.
    """
    if callable(delays):
        return
    each = list(delays) if isinstance(delays, Sequence) and delays != "" else [delays]
    if not all(is_duration(delay) for delay in each):
        raise ValueError("retry_delay_seconds: must be seconds, 0 or more, or a list of them")


def is_duration(value: object) -> bool:
    """Tell whether it is a number of seconds, 0 or more."""
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


def delay_before(delays: Delays, retries: int, retry: int) -> float:
    """Return the seconds to wait before a retry, counted from 0; the last delay repeats."""
    if callable(delays):
        delays = delays(retries)
        check_delays(delays)
    if isinstance(delays, int | float):
        return float(delays)
    return float(delays[min(retry, len(delays) - 1)]) if delays else 0.0


def jittered(delay: float, factor: float | None) -> float:
    """Return a delay at random, longer or shorter by up to ``factor`` times its length."""
    return random.uniform(max(0.0, delay * (1 - factor)), delay * (1 + factor)) if factor else delay


def exponential_backoff(backoff_factor: float) -> Callable[[int], list[float]]:
    """Return delays for ``retry_delay_seconds`` that double: the factor, twice it, four times it.

    Args:
        backoff_factor: seconds before the first retry.
    """

    def delays(retries: int) -> list[float]:
        return [backoff_factor * 2**retry for retry in range(min(retries, 50))]

    return delays
