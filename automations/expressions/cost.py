"""How long an expression may take on given values, and when that is too long.

CEL has no limit of its own. Each read copies what it reads, each comprehension multiplies that,
``map`` and ``filter`` copy their list at each step, ``+`` what it joins: so a bound follows from
the shape of the expression and the sizes of the values, in nanoseconds, without evaluating it.
"""

from __future__ import annotations

from typing import Any, Final

from .shape import Reference, Shape

LIMIT: Final = 50_000_000.0
_TOKEN: Final = 120.0
_ITEM, _ENTRY, _CONTAINER = 55.0, 180.0, 60.0
"""To copy an item of a list, an entry of a map, and either of them when empty."""
_TEXT, _CHARACTER = 45.0, 1.5
_SEARCHED: Final = 25.0
"""By how much searching a text with a pattern costs more than copying it."""
_COMPARED: Final = 3.0
"""By how much looking through a list with ``in`` costs more than copying it."""
_KEPT: Final = 5.0
"""By how much what is put into a new list counts more: it takes memory until the end."""
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

    __slots__ = ("_reads", "_variables", "cost", "longest")

    def __init__(self, variables: dict[str, Any]) -> None:
        self.cost, self.longest = _measure(variables)
        self._variables = variables
        self._reads: dict[tuple[str, ...], float] = {}

    def read(self, path: tuple[str, ...], *, at_once: bool) -> float:
        """Return what reading the value at a path costs, in ns: each field copies what it is of.

        Args:
            at_once: whether the value is at hand without the way to it.
        """
        if at_once:
            return _ITEM + self._copy(path)
        if len(path) == 1:
            return self.cost
        return _ITEM + sum(self._copy(path[:end]) for end in range(2, len(path) + 1))

    def _copy(self, path: tuple[str, ...]) -> float:
        if path not in self._reads:
            value: Any = self._variables
            for name in path:
                value = value.get(name) if isinstance(value, dict) else None
            self._reads[path] = _measure(value)[0]
        return self._reads[path]


def _measure(value: Any) -> tuple[float, int]:
    cost, longest, left = _ITEM, 0, [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            cost += _TEXT + len(each) * _CHARACTER
        elif isinstance(each, dict):
            longest = max(longest, len(each))
            cost += _CONTAINER + len(each) * _ENTRY
            left.extend(each.values())
        elif isinstance(each, list | tuple):
            longest = max(longest, len(each))
            cost += _CONTAINER + len(each) * _ITEM
            left.extend(each)
    return cost, longest


def _factor(shape: Shape) -> float:
    """Return by how much more than copying costs what is done with what is read."""
    factor = 1 + shape.joins / 2
    if shape.searches:
        factor *= _COMPARED
    return factor * _SEARCHED if shape.matches else factor


def most(shape: Shape) -> float:
    """Return by how much an expression without comprehensions multiplies what it reads, at most."""
    reads = (len(each.path) * (_KEPT if each.kept else 1.0) for each in shape.references)
    return sum(reads) * _factor(shape)


def bound(shape: Shape, sizes: Sizes) -> float:
    """Return how long an evaluation takes at most, in ns."""
    times = max(sizes.longest, shape.literal, 1)
    whole = sizes.cost
    total = _once(shape, sizes, whole, times)
    for _ in range(shape.growing):
        # What it makes may be read again, and is copied at each step that makes it longer.
        whole += total
        total = _once(shape, sizes, whole, times)
        total += times * (total / 4 + times * _GROWING)
    return total


def _once(shape: Shape, sizes: Sizes, whole: float, times: int) -> float:
    reads = sum(_read(each, sizes, whole, times) for each in shape.references)
    reads *= _factor(shape)
    words = sum(count * _TOKEN * float(times) ** loops for loops, count in enumerate(shape.tokens))
    patterns = sum(cost * float(times) ** loops for loops, cost in enumerate(shape.patterns))
    return reads + words + patterns


def _read(reference: Reference, sizes: Sizes, whole: float, times: int) -> float:
    weight = (_KEPT if reference.kept else 1.0) * float(times) ** reference.loops
    if reference.bound:
        # All items of the list together are no larger than the list.
        return weight / times * whole * len(reference.path)
    return weight * sizes.read(reference.path, at_once=reference.span is not None)
