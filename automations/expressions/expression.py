"""CEL expressions: compiled when a definition is checked, bounded, evaluated on a shared scope."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from ..exceptions import ExpressionFailed, InvalidExpression
from ..suggestions import did_you_mean
from .cost import LIMIT, Sizes, bound, most
from .keywords import Signature, place_at, translated
from .shape import hoisted, shape_of

if TYPE_CHECKING:
    import cel

MAX_LENGTH: Final = 2048
_FUNCTIONS: Final = frozenset({
    "has", "size", "contains", "startsWith", "endsWith", "matches", "int", "uint", "double",
    "string", "bytes", "timestamp", "duration", "getFullYear", "getMonth", "getDayOfYear",
    "getDayOfMonth", "getDate", "getDayOfWeek", "getHours", "getMinutes", "getSeconds",
    "getMilliseconds", "max", "min", "type", "dyn", "bool",
})  # fmt: skip


class Scope:
    """The values that the expressions of one event share, converted for CEL once.

    Args:
        variables: JSON values by name.
    """

    __slots__ = ("_context", "_known", "_sizes", "variables")

    def __init__(self, variables: dict[str, Any]) -> None:
        self.variables = variables
        self._context: cel.Context | None = None
        self._sizes: Sizes | None = None
        self._known: set[str] = set()

    @property
    def context(self) -> cel.Context:
        if self._context is None:
            import cel  # loads a whole terminal library: only who uses expressions pays for it

            self._context = cel.Context(self.variables)
        return self._context

    def of(self, paths: frozenset[tuple[str, ...]]) -> Scope:
        """Return the scope for an expression that reads what is at these paths, and no more."""
        return self

    def add(self, name: str, path: tuple[str, ...]) -> None:
        """Let a variable stand for what is at a path; where nothing is, it stays unknown."""
        if name in self._known:
            return
        self._known.add(name)
        value: Any = self.variables
        for part in path:
            if not isinstance(value, dict) or part not in value:
                return
            value = value[part]
        self.context.add_variable(name, value)

    @property
    def sizes(self) -> Sizes:
        """How large the values are."""
        if self._sizes is None:
            self._sizes = Sizes(self.variables)
        return self._sizes


class Expression:
    """A compiled CEL expression that answers true or false.

    Args:
        source: the expression, at most ``MAX_LENGTH`` characters.

    Attributes:
        variables: the names that it may read. lookups: further functions, with their arguments.
        paths: what it reads.
        calls: its calls of those, as CEL reads them.

    Raises:
        InvalidExpression: it is no CEL, uses unknown names, or nests too deep.
    """

    __slots__ = ("_hoisted", "_most", "_program", "_shape", "_text", "calls", "paths", "source")
    variables: ClassVar[frozenset[str]] = frozenset({"event"})
    lookups: ClassVar[Mapping[str, Signature]] = MappingProxyType({})

    def __init__(self, source: str) -> None:
        if len(source) > MAX_LENGTH:
            raise InvalidExpression(f"longer than {MAX_LENGTH} characters")
        self.source = source
        written = translated(source, self.lookups)
        self.calls = written.calls
        self._shape = shape_of(written.text, self.lookups)
        self.paths = frozenset(each.path for each in self._shape.references if not each.bound)
        self._most = math.inf if self._shape.loops else most(self._shape)
        self._check_names(compile_program(written.text, written.place_of), self._shape.names)
        self._text, self._hoisted = hoisted(written.text, self._shape)
        # Only a condition's truth crosses over from CEL, so a huge value is never converted.
        self._program = compile_program(f"({self._text}\n) ? true : false")

    def _check_names(self, program: cel.Program, bound: set[str]) -> None:
        known = self.variables | bound
        for name in program.variables():
            if name not in known:
                raise InvalidExpression(f"unknown name '{name}'{did_you_mean(name, known)}")
        functions = _FUNCTIONS | self.lookups.keys()
        for name in program.functions():
            if name.isidentifier() and name not in functions:
                hint = did_you_mean(name, functions)
                raise InvalidExpression(f"unknown function '{name}'{hint}")

    @property
    def reads(self) -> frozenset[str]:
        """The names of the variables that it reads."""
        return frozenset(path[0] for path in self.paths)

    @property
    def needed(self) -> list[tuple[str, ...]]:
        """The paths that it reads and does not ask for with ``has``."""
        asked = {each.path for each in self._shape.references if each.asked}
        return sorted(self.paths - asked)

    def holds(self, scope: Scope) -> bool:
        """Tell whether the expression is true.

        Raises:
            ExpressionFailed: a key is missing, types don't fit, or it would take too long.
        """
        return self._answer(scope) is True

    def _answer(self, whole: Scope) -> Any:
        scope = whole.of(self.paths)
        if scope.sizes.cost * self._most > LIMIT:
            self._check_cost(scope)
        try:
            for name, path in self._hoisted.items():
                scope.add(name, path)
            return self._program.execute(scope.context)
        except (KeyboardInterrupt, SystemExit):
            raise
        except KeyError as error:
            raise ExpressionFailed(f"no key {error}") from error
        except BaseException as error:  # a panic of the Rust side is no Exception
            raise ExpressionFailed(self._complaint(error)) from error

    def _complaint(self, error: BaseException) -> str:
        message = str(error)
        for name, path in self._hoisted.items():
            if f"'{name}'" in message:
                return f"no key '{'.'.join(path)}'"
        return f"{type(error).__name__}: {message[:300]}"

    def _check_cost(self, scope: Scope) -> None:
        if bound(self._shape, scope.sizes) > LIMIT:
            raise ExpressionFailed(
                "it would take too long on values of this size: the longest list or map has "
                f"{scope.sizes.longest:,} items"
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and other.source == self.source

    def __hash__(self) -> int:
        return hash(self.source)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source!r})"

    @classmethod
    def _validated(cls, value: object) -> Self:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise ValueError("an expression is written as text, in quotes where YAML asks for them")
        return cls(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validated,
            json_schema_input_schema=core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: value.source, return_schema=core_schema.str_schema()
            ),
        )


class ActionExpression(Expression):
    """The ``if`` of an action: it sees all that templates see."""

    __slots__ = ()
    variables = frozenset(
        {"event", "events", "firing", "automation", "flow_run", "deployment", "variables"}
    )


def compile_program(source: str, place: Callable[[int, int], str] = place_at) -> cel.Program:
    """Compile what is CEL and nothing else.

    Raises:
        InvalidExpression: with its place, as ``place`` tells it of a line and a column.
    """
    import cel

    try:
        return cel.compile(source)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the Rust side is no Exception
        raise InvalidExpression(_first_complaint(str(error), place)) from error


def _first_complaint(message: str, place: Callable[[int, int], str]) -> str:
    """Shorten the parser's message to its position and its first complaint."""
    found = re.search(r"ERROR: <input>:(\d+):(\d+): (.*)", message)
    if not found:
        return message[:200]
    line, column, what = found.groups()
    what = re.sub(r" expecting \{.*", "", what)[:200]
    return f"{place(int(line), int(column))}: {what}"
