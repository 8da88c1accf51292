"""How long an expression may take on given values, and when that is too long.

CEL has no limit of its own. Each read copies what it reads, each comprehension multiplies that,
``map`` and ``filter`` copy their list at each step, ``+`` what it joins: so a bound follows from
the shape of the expression and the sizes of the values, in nanoseconds, without evaluating it.
"""

from __future__ import annotations

from typing import Any, Final

from .cel_shape import Reference, Shape

LIMIT: Final = 50_000_000.0
_TOKEN: Final = 120.0
_ITEM: Final = 160.0
_CHARACTER: Final = 1.7
_SEARCHED: Final = 25.0
"""By how much searching a text with a pattern costs more than copying it."""
_COMPARED: Final = 3.0
"""By how much looking through a list with ``in`` costs more than copying it."""
_GROWING: Final = 15.0
"""For each item of a list and each step that makes another one of it."""


class Sizes:
    """How large values are.

    Args:
        variables: JSON values by name.

    Attributes:
        cost: what copying all of them takes, in ns.
        longest: how many items the longest list or map has.
    """

    __slots__ = ("cost", "longest")

    def __init__(self, variables: dict[str, Any]) -> None:
        self.cost, self.longest = _measure(variables)


def _measure(value: Any) -> tuple[float, int]:
    items, characters, longest, left = 1, 0, 0, [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            characters += len(each)
        elif isinstance(each, dict):
            longest = max(longest, len(each))
            items += len(each)
            left.extend(each.values())
        elif isinstance(each, list | tuple):
            longest = max(longest, len(each))
            items += len(each)
            left.extend(each)
    return items * _ITEM + characters * _CHARACTER, longest


def _factor(shape: Shape) -> float:
    """Return by how much more than copying costs what is done with what is read."""
    factor = 1 + shape.joins / 2
    if shape.searches:
        factor *= _COMPARED
    return factor * _SEARCHED if shape.matches else factor


def most(shape: Shape) -> float:
    """Return by how much an expression without comprehensions multiplies what it reads, at most."""
    return len(shape.references) * _factor(shape)


def bound(shape: Shape, sizes: Sizes, variables: dict[str, Any]) -> float:
    """Return how long an evaluation takes at most, in ns."""
    times = max(sizes.longest, shape.literal, 1)
    whole = sizes.cost
    total = _once(shape, whole, times, variables)
    for _ in range(shape.growing):
        # What it makes may be read again, and is copied at each step that makes it longer.
        whole += total
        total = _once(shape, whole, times, variables)
        total += times * (total / 4 + times * _GROWING)
    return total


def _once(shape: Shape, whole: float, times: int, variables: dict[str, Any]) -> float:
    reads = sum(_read(each, whole, times, variables) for each in shape.references)
    reads *= _factor(shape)
    words = sum(count * _TOKEN * float(times) ** loops for loops, count in enumerate(shape.tokens))
    patterns = sum(cost * float(times) ** loops for loops, cost in enumerate(shape.patterns))
    return reads + words + patterns


def _read(reference: Reference, whole: float, times: int, variables: dict[str, Any]) -> float:
    if reference.bound:
        # All items of the list together are no larger than the list.
        return whole * float(times) ** max(reference.loops - 1, 0)
    value: Any = variables
    for name in reference.path:
        if not isinstance(value, dict) or name not in value:
            return _ITEM * float(times) ** reference.loops
        value = value[name]
    cost, _ = _measure(value)
    return cost * float(times) ** reference.loops
