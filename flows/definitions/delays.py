"""How long to wait before each retry."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from ..given import SECONDS, Kind, require

Delays: TypeAlias = float | Sequence[float] | Callable[[int], Sequence[float]]
"""Seconds before each retry: the same each time, one after the other, or made from their number."""


def is_duration(value: object) -> bool:
    """Tell whether it is a number of seconds, 0 or more."""
    return SECONDS.fits(value)


def _are_delays(value: object) -> bool:
    if callable(value):
        return not isinstance(value, type)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return all(map(is_duration, value))
    return is_duration(value)


DELAYS: Final = Kind("seconds, 0 or more, or a list of them, or a function", _are_delays)


def delay_before(delays: Delays, retries: int, retry: int) -> float:
    """Return the seconds to wait before a retry, counted from 0; the last delay repeats."""
    if callable(delays):
        delays = delays(retries)
        require(DELAYS, retry_delay_seconds=delays)
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

    Raises:
        WrongArgument: it is no such number.
    """
    require(SECONDS, backoff_factor=backoff_factor)

    def delays(retries: int) -> list[float]:
        return [backoff_factor * 2**retry for retry in range(min(retries, 50))]

    return delays
