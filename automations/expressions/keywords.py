"""Translates calls with keyword arguments, which CEL does not have, into calls that it has.

``runs('deployment:a', state='Running')`` → ``runs('deployment:a','Running')``, whatever is nested
within: only the order of arguments and what stands between them changes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ..exceptions import InvalidExpression
from ..suggestions import did_you_mean
from .shape import MAX_NESTING
from .tokens import Token, tokens_of

LEFT_OUT: Final = "null"
"""What stands for an argument that is left out before one that is given."""


@dataclass(slots=True, frozen=True)
class Signature:
    """The arguments of a function.

    Attributes:
        names: in order. required: how many of them have to be given.
    """

    names: tuple[str, ...]
    required: int = 1


@dataclass(slots=True, frozen=True)
class Translated:
    """A translated expression.

    Attributes:
        source: as people wrote it. text: as CEL reads it.
        calls: the calls of the functions in it, as CEL reads them.
    """

    source: str
    text: str
    calls: tuple[str, ...]
    _pieces: tuple[tuple[int, int], ...]

    def origin(self, offset: int) -> int:
        """Return where in the user's text something of the translated one stands."""
        at = bisect_right(self._pieces, (offset, 1 << 30)) - 1
        made, written = self._pieces[max(at, 0)]
        return written + offset - made

    def place_of(self, line: int, column: int) -> str:
        """Return a place of the translated text, both numbers from 1 on, as one of the user's."""
        lines = self.text.split("\n")[: line - 1]
        offset = sum(len(each) + 1 for each in lines) + column - 1
        return place_of(self.source, min(self.origin(offset), len(self.source)))


def translated(source: str, functions: Mapping[str, Signature]) -> Translated:
    """Return an expression with the arguments of all calls of these functions in order.

    Raises:
        InvalidExpression: a call has an argument too many, twice, unknown or missing; or it is
            called as a method.
    """
    if not functions:
        return Translated(source, source, (), ((0, 0),))
    return _Translator(source, functions).translate()


@dataclass(slots=True)
class _Argument:
    """One argument as it is written: its first token and the one behind its last, its name."""

    start: int
    end: int
    name: str | None = None


class _Translator:
    """Writes an expression anew, piece by piece, and notes where each piece came from."""

    def __init__(self, source: str, functions: Mapping[str, Signature]) -> None:
        self._source = source
        self._functions = functions
        self._tokens = tokens_of(source)
        self._written: list[str] = []
        self._length = 0
        self._pieces: list[tuple[int, int]] = []
        self._calls: list[str] = []
        self._depth = 0

    def translate(self) -> Translated:
        self._copy(0, len(self._tokens), 0, len(self._source))
        return Translated(
            self._source, "".join(self._written), tuple(self._calls), tuple(self._pieces)
        )

    def _copy(self, first: int, last: int, start: int, end: int) -> None:
        """Write the text from ``start`` to ``end``, where these tokens stand, with its calls."""
        at = first
        while at < last:
            if not self._begins_call(at):
                at += 1
                continue
            self._write(start, self._tokens[at].start())
            at = self._call(at)
            start = self._tokens[at - 1].end()
        self._write(start, end)

    def _begins_call(self, at: int) -> bool:
        name = self._tokens[at]["name"]
        if name not in self._functions or self._sign(at + 1) != "(":
            return False
        if at and self._sign(at - 1) == ".":
            raise self._wrong(at, f"'{name}' is called by itself: {name}(…)")
        return True

    def _call(self, at: int) -> int:
        """Write a call; return the token behind it."""
        begins = self._length
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise InvalidExpression(f"nested deeper than {MAX_NESTING}")
        arguments = list(self._arguments(at + 2))
        behind = arguments[-1].end + 1
        self._write(self._tokens[at].start(), self._tokens[at + 1].end())
        self._put(self._ordered(at, arguments))
        self._write(self._tokens[behind - 1].start(), self._tokens[behind - 1].end())
        self._calls.append("".join(self._written)[begins:])
        self._depth -= 1
        return behind

    def _put(self, ordered: list[_Argument | None]) -> None:
        for place, argument in enumerate(ordered):
            self._insert("," if place else "")
            if argument is None:
                self._insert(LEFT_OUT)
            else:
                first, last = self._tokens[argument.start], self._tokens[argument.end - 1]
                self._copy(argument.start, argument.end, first.start(), last.end())

    def _ordered(self, at: int, arguments: list[_Argument]) -> list[_Argument | None]:
        """Return the arguments by the places of their names; None for one that is left out."""
        called, signature = self._tokens[at]["name"], self._functions[self._tokens[at]["name"]]
        given = self._given(arguments)
        places: dict[str, _Argument] = {}
        for place, each in enumerate(given):
            name = each.name or self._positional(each, place, given, signature, called)
            if name not in signature.names:
                hint = did_you_mean(name, frozenset(signature.names))
                raise self._wrong(each.start, f"{called}: unknown argument '{name}'{hint}", 2)
            if name in places:
                raise self._wrong(each.start, f"{called}: '{name}' is given twice", 2)
            if each.start == each.end:
                raise self._wrong(each.start, f"{called}: '{name}=' needs a value", 2)
            places[name] = each
        missing = [each for each in signature.names[: signature.required] if each not in places]
        if missing:
            raise self._wrong(at, f"{called}: '{missing[0]}' is missing")
        most = max(signature.names.index(name) for name in places) + 1
        return [places.get(name) for name in signature.names[:most]]

    def _given(self, arguments: list[_Argument]) -> list[_Argument]:
        empty = [each for each in arguments if each.start == each.end and not each.name]
        if len(arguments) > 1 and empty:
            raise self._wrong(empty[0].start, "an argument is missing here")
        return [each for each in arguments if each not in empty]

    def _positional(
        self, each: _Argument, place: int, given: list[_Argument], signature: Signature, called: str
    ) -> str:
        if any(other.name for other in given[:place]):
            raise self._wrong(each.start, f"{called}: name this argument as those before it")
        if place >= len(signature.names):
            names = ", ".join(signature.names)
            raise self._wrong(each.start, f"{called} takes {names} and nothing more")
        return signature.names[place]

    def _arguments(self, at: int) -> Iterator[_Argument]:
        """Yield the arguments from this token on; the last one ends at the closing bracket."""
        argument, depth = self._argument(at), 0
        for index in range(argument.start, len(self._tokens)):
            sign = self._sign(index) or " "
            if not depth and sign in "),":
                argument.end = index
                yield argument
                if sign == ")":
                    return
                argument = self._argument(index + 1)
            depth += (sign in "([{") - (sign in ")]}")
        raise self._wrong(at - 1, "'(' is never closed")

    def _argument(self, at: int) -> _Argument:
        """Return the argument that begins at a token, with its name where it has one."""
        named = at < len(self._tokens) and self._tokens[at]["name"]
        if named and self._sign(at + 1) == "=" and not self._is_equality(at + 1):
            return _Argument(at + 2, at + 2, named)
        return _Argument(at, at)

    def _is_equality(self, at: int) -> bool:
        following = self._sign(at + 1) == "="
        return following and self._tokens[at].end() == self._tokens[at + 1].start()

    def _sign(self, at: int) -> str | None:
        return self._tokens[at]["sign"] if 0 <= at < len(self._tokens) else None

    def _write(self, start: int, end: int) -> None:
        """Write a part of the user's text."""
        if start < end:
            self._pieces.append((self._length, start))
            self._insert(self._source[start:end])

    def _insert(self, text: str) -> None:
        if text:
            self._written.append(text)
            self._length += len(text)

    def _wrong(self, at: int, message: str, before: int = 0) -> InvalidExpression:
        token: Token = self._tokens[min(max(at - before, 0), len(self._tokens) - 1)]
        return InvalidExpression(f"{place_of(self._source, token.start())}: {message}")


def place_of(source: str, offset: int) -> str:
    """Return a place of a text as people find it: ``at line:column``, both from 1 on."""
    line = source.count("\n", 0, offset) + 1
    return place_at(line, offset - source.rfind("\n", 0, offset))


def place_at(line: int, column: int) -> str:
    """Write a place of a text."""
    return f"at {line}:{column}"
