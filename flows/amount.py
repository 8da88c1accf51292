"""Counts what a value holds as JSON writes it: what is in it at two places is written twice.

A list that holds one list twice, and that in a list twice, and so on forty times, is small, and has
more places than can be written. They are counted here in the time that the value itself takes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any, Final

MOST_VALUES: Final = 1_000_000
"""Values in one that is written as JSON; more are refused, or only told of."""

TOO_MANY: Final = f"holds more than {MOST_VALUES:,} values, those counted again that it has twice"

_SINGLE: Final = frozenset({type(None), bool, int, float, str, bytes})
_DEEPEST: Final = 256  # who writes it gives up before


def holds_too_many(value: Any, most: int = MOST_VALUES) -> bool:
    """Tell whether a value holds more than ``most``, itself included."""
    return _count(value, {}, most, 0) > most


def _count(value: Any, known: dict[int, int], most: int, depth: int) -> int:
    if type(value) in _SINGLE or depth == _DEEPEST:
        return 1
    place = id(value)
    if place not in known:
        known[place] = 1  # what holds itself is found out by who writes it
        known[place] = _sum(_inside(value), known, most, depth)
    return known[place]


def _sum(inside: Iterable[Any], known: dict[int, int], most: int, depth: int) -> int:
    total = 1
    for each in inside:
        total += 1 if type(each) in _SINGLE else _count(each, known, most, depth + 1)
        if total > most:
            break
    return total


def _inside(value: object) -> Iterable[Any]:
    """Return what a value holds, as far as writing it as JSON looks into it."""
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, list | tuple | set | frozenset | deque):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, each.name, None) for each in fields(value)]
    if hasattr(type(value), "__pydantic_fields__"):
        return list(vars(value).values())
    return ()
