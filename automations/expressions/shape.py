"""The shape of a CEL expression: what it reads, within which loops, as its text tells.

The parser itself has no bounds, so this looks at the text before it does.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from ..exceptions import InvalidExpression
from .patterns import compile_cost
from .tokens import tokens_of

MAX_NESTING: Final = 64
MAX_MACROS: Final = 8
MAX_MAPS: Final = 2
MAX_LOOPS: Final = 2

_MACROS: Final = frozenset({"all", "exists", "exists_one", "map", "filter"})
_LOOKED_UP: Final = 40
"""Words that take as long as a look-up, which goes over to Python and back."""
_ENCODED: Final = re.compile(r"\\[xXuU0-7]")  # could hide a count from who looks at the text


@dataclass(frozen=True, slots=True)
class Reference:
    """One place where an expression reads a value.

    Attributes:
        path: the name, and the fields below it as far as they are written out.
        loops: within how many comprehensions it stands.
        bound: whether the name is the item of one of them.
        kept: whether it goes into a list or map that is written out.
        span: where it stands in the text, if it means the same wherever it is evaluated: within
            a comprehension, and not asked for by ``has``.
        asked: whether it is asked for by ``has``, which stands what is not there.
    """

    path: tuple[str, ...]
    loops: int
    bound: bool
    kept: bool = False
    span: tuple[int, int] | None = None
    asked: bool = False


@dataclass(slots=True)
class Shape:
    """What the text of an expression tells.

    Attributes:
        references: what it reads.
        names: those that comprehensions bind.
        tokens: how many words and signs stand within 0, 1, … comprehensions.
        maps: how many comprehensions are ``map``.
        growing: how many make a list, item by item.
        searches: how often ``in`` looks through one.
        joins: how many ``+`` there are.
        literal: a bound on how many items a list written out has.
        patterns: what compiling the regular expressions costs each time, in ns, by loops.
    """

    references: list[Reference] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    tokens: list[int] = field(default_factory=lambda: [0] * (MAX_LOOPS + 1))
    maps: int = 0
    growing: int = 0
    searches: int = 0
    macros: int = 0
    joins: int = 0
    literal: int = 1
    patterns: list[float] = field(default_factory=lambda: [0.0] * (MAX_LOOPS + 1))
    matches: bool = False

    @property
    def loops(self) -> int:
        """How deep comprehensions nest."""
        return max((depth for depth, count in enumerate(self.tokens) if count), default=0)


@dataclass(slots=True)
class _Bracket:
    """An open bracket; ``macro`` where it holds the body of a comprehension.

    Attributes:
        binds: the name of its item. literal: it is a list or map that is written out.
        asks: it is that of ``has``.
    """

    macro: bool = False
    binds: str | None = None
    literal: bool = False
    asks: bool = False


def shape_of(source: str, lookups: Collection[str] = ()) -> Shape:
    """Return the shape of an expression.

    Args:
        lookups: functions whose answers count as values that are read.

    Raises:
        InvalidExpression: it nests too deep, has too many comprehensions, or a regular
            expression that is not written in place or too large.
    """
    return _Reader(source, lookups).read()


def hoisted(source: str, shape: Shape) -> tuple[str, dict[str, tuple[str, ...]]]:
    """Return the source with a variable for each path that its comprehensions read again and again.

    Reading ``event.payload.limit`` copies the whole payload: once is often enough.

    Returns:
        The source, and the path that each of the variables stands for.
    """
    paths: dict[str, tuple[str, ...]] = {}
    for each in sorted(shape.references, key=lambda one: one.span or (0, 0), reverse=True):
        if each.span is not None:
            name = "at_" + "_".join(f"{len(part)}{part}" for part in each.path)
            paths[name] = each.path
            source = f"{source[: each.span[0]]}{name}{source[each.span[1] :]}"
    return source, paths


class _Reader:
    """One pass over the words and signs of an expression."""

    def __init__(self, source: str, lookups: Collection[str]) -> None:
        self._tokens = tokens_of(source)
        self._lookups = lookups
        self._stack: list[_Bracket] = []
        self._shape = Shape()

    def read(self) -> Shape:
        at = 0
        while at < len(self._tokens):
            at = self._step(at)
        return self._shape

    def _step(self, at: int) -> int:
        """Take one thing in: a chain of names, a bracket, or anything else."""
        token = self._tokens[at]
        self._shape.tokens[self._loops] += 1
        if token["name"] == "in":
            self._shape.searches += 1
            return at + 1
        if token["name"]:
            return self._chain(at)
        sign = token["sign"]
        if sign == "." and self._text(at + 1, "name"):
            return self._chain(at + 1, after_dot=True)
        if sign and sign in "([{":
            self._open(_Bracket(literal=sign == "{" or (sign == "[" and not self._indexes(at))))
        elif sign and sign in ")]}" and self._stack:
            self._stack.pop()
        self._shape.joins += sign == "+"
        self._shape.literal += sign == ","
        return at + 1

    def _chain(self, at: int, *, after_dot: bool = False) -> int:
        """Take ``a.b.c`` in, up to a call: what it reads, and the call where it ends in one."""
        path: list[str] = []
        start = self._tokens[at].start()
        while True:
            word = self._tokens[at]["name"]
            if self._text(at + 1, "sign") == "(":
                if path and not after_dot:
                    self._refer(path, (start, self._tokens[at - 2].end()))
                return self._call(word, at)
            path.append(word)
            if self._text(at + 1, "sign") != "." or not self._text(at + 2, "name"):
                if not after_dot:
                    self._refer(path, (start, self._tokens[at].end()))
                return at + 1
            at += 2

    def _call(self, name: str, at: int) -> int:
        bracket = _Bracket(asks=name == "has")
        if name in _MACROS:
            bracket = _Bracket(macro=True, binds=self._text(at + 2, "name"))
            self._shape.macros += 1
            self._shape.maps += name == "map"
            self._shape.growing += name in ("map", "filter")
        if name == "matches":
            self._pattern(at)
        if name in self._lookups:
            self._shape.tokens[self._loops] += _LOOKED_UP
            self._shape.references.append(Reference((name,), self._loops, False, self._kept))
        self._open(bracket)
        if bracket.binds:
            self._shape.names.add(bracket.binds)
            return at + 3
        return at + 2

    def _pattern(self, at: int) -> None:
        literal = self._text(at + 2, "text")
        if not literal or self._text(at + 3, "sign") != ")":
            raise InvalidExpression("'matches' takes one pattern, written in place and in quotes")
        prefix = self._tokens[at + 2]["prefix"].lower()
        body = literal[len(prefix) :].strip("'\"")
        if "r" not in prefix and _ENCODED.search(body.replace("\\\\", "")):
            raise InvalidExpression("write the pattern's characters as they are, or as r'…'")
        pattern = body if "r" in prefix else body.replace("\\\\", "\\")
        self._shape.matches = True
        self._shape.patterns[self._loops] += compile_cost(pattern)

    def _open(self, bracket: _Bracket) -> None:
        self._stack.append(bracket)
        if len(self._stack) > MAX_NESTING:
            raise InvalidExpression(f"nested deeper than {MAX_NESTING}")
        if sum(each.macro for each in self._stack) > MAX_LOOPS:
            raise InvalidExpression(f"comprehensions nested deeper than {MAX_LOOPS}")
        if self._shape.macros > MAX_MACROS or self._shape.maps > MAX_MAPS:
            raise InvalidExpression(
                f"more than {MAX_MACROS} comprehensions, or more than {MAX_MAPS} of them 'map'"
            )

    def _refer(self, path: list[str], span: tuple[int, int]) -> None:
        bound = path[0] in self._bound
        asked = any(each.asks for each in self._stack)
        constant = self._loops and not bound and not asked
        span_or_none = span if constant and len(path) > 1 else None
        self._shape.references.append(
            Reference(tuple(path), self._loops, bound, self._kept, span_or_none, asked)
        )

    def _indexes(self, at: int) -> bool:
        """Tell whether the bracket at this place reads an item of what stands before it."""
        before = self._tokens[at - 1] if at else None
        return before is not None and bool(before["name"] or before["sign"] in (")", "]"))

    @property
    def _loops(self) -> int:
        return sum(each.macro for each in self._stack)

    @property
    def _kept(self) -> bool:
        return any(each.literal for each in self._stack)

    @property
    def _bound(self) -> Iterator[str]:
        return (each.binds for each in self._stack if each.binds)

    def _text(self, at: int, group: str) -> str | None:
        return self._tokens[at][group] if at < len(self._tokens) else None
