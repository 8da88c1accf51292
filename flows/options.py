"""What the options of flows and tasks have in common: checks, retry delays, names of runs."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from .exceptions import InvalidParameters
from .parameters import Signature
from .states import legible

LONGEST_NAME: Final = 200
MOST_TAGS: Final = 32

Delays: TypeAlias = float | Sequence[float] | Callable[[int], Sequence[float]]
"""Seconds before each retry: the same each time, one after the other, or made from their number."""


def delay_before(delays: Delays, retries: int, retry: int) -> float:
    """Return the seconds to wait before a retry, counted from 0; the last delay repeats."""
    if callable(delays):
        delays = delays(retries)
        _check_delays(delays)
    if isinstance(delays, int | float):
        return float(delays)
    return float(delays[min(retry, len(delays) - 1)]) if delays else 0.0


def _check_delays(delays: object) -> None:
    each = list(delays) if isinstance(delays, Sequence) and delays != "" else [delays]
    if not all(_is_duration(delay) for delay in each):
        raise ValueError("retry_delay_seconds: must be seconds, 0 or more, or a list of them")


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


def check_options(
    name: str,
    tags: tuple[str, ...],
    retries: int,
    timeout_seconds: float | None,
    delays: Delays = 0,
) -> None:
    """Refuse options that make no sense, where they are given."""
    if not name or "/" in name or len(name) > LONGEST_NAME:
        raise ValueError(f"name: {name[:40]!r} must have 1 to {LONGEST_NAME} characters, no '/'")
    if len(tags) > MOST_TAGS or not all(0 < len(tag) <= LONGEST_NAME for tag in tags):
        raise ValueError(f"tags: at most {MOST_TAGS}, of 1 to {LONGEST_NAME} characters each")
    if retries < 0:
        raise ValueError("retries: must be 0 or more")
    if not callable(delays):
        _check_delays(delays)
    if timeout_seconds is not None and not (_is_duration(timeout_seconds) and timeout_seconds):
        raise ValueError("timeout_seconds: must be more than 0")


def check_function(fn: Callable[..., Any]) -> None:
    """Refuse generators: calling one runs nothing of it, so its run would end before it began."""
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        named = getattr(fn, "__name__", repr(fn))
        raise TypeError(f"{named} is a generator; let it return a list, or call it from a task")


def is_coroutine_function(fn: Any) -> bool:
    """Tell whether calling it returns a coroutine, be it a function or an object."""
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(
        getattr(fn, "__call__", None)  # noqa: B004 - the method itself is asked about
    )


def bound_method(fn: Callable[..., Any], instance: object) -> Callable[..., Any]:
    """Return a function as the method of an instance."""
    method: Callable[..., Any] = fn.__get__(instance)
    return method


def name_from(
    template: str | Callable[[], str] | None,
    option: str,
    signature: Signature,
    bound: dict[str, Any],
) -> str | None:
    """Return a run's name by its template.

    Raises:
        InvalidParameters: the template names what is no parameter; ``option`` says whose it is.
    """
    if template is None:
        return None
    if callable(template):
        return legible(template(), LONGEST_NAME)
    try:
        return legible(template.format(**signature.with_defaults(bound)), LONGEST_NAME)
    except (KeyError, IndexError, AttributeError, ValueError) as error:
        raise InvalidParameters(f"{option}: {template!r} does not work: {error!r}") from error
