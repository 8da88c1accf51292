"""Decides what follows a failed try: a later one and when, or the end of trying. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from upshot.events.exceptions import RetryableEventsError
from upshot.flows.exceptions import RetryableFlowsError

from ..exceptions import RetryableServicesError, TryFailed

LONGEST: Final = 300.0
"""Seconds that a delay grows to, unless the receiver asks for a longer one."""
LONGEST_ASKED: Final = 3600.0

_RETRYABLE: Final = (
    RetryableServicesError,
    RetryableEventsError,
    RetryableFlowsError,
    TimeoutError,
)


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and when an action is tried again; ``delay`` in seconds before the first retry."""

    limit: int
    delay: float


@dataclass(frozen=True, slots=True)
class Later:
    """Try again after ``delay`` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Try no more. ``exhausted``: tries are used up; otherwise another one would be no use."""

    exhausted: bool


def after_failure(
    retries: Retries, attempt: int, error: Exception, chance: float
) -> Later | GivenUp:
    """Decide what follows a try that raised ``error``.

    Args:
        attempt: tries before this one.
        chance: a random number from 0 to 1, for the jitter.
    """
    if not isinstance(error, _RETRYABLE):
        return GivenUp(exhausted=False)
    if attempt >= retries.limit:
        return GivenUp(exhausted=True)
    asked = error.retry_after if isinstance(error, TryFailed) else None
    return Later(delay_before(retries, attempt, asked, chance))


def delay_before(retries: Retries, attempt: int, asked: float | None, chance: float) -> float:
    """Return the seconds to the next try: doubling, a fifth either way, never before ``asked``."""
    grown = min(retries.delay * 2.0 ** min(attempt, 30) * (0.8 + 0.4 * chance), LONGEST)
    return max(grown, min(asked or 0.0, LONGEST_ASKED))
