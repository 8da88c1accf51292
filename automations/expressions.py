"""CEL expressions: compiled when a definition is checked, bounded, evaluated on a shared scope."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from .exceptions import ExpressionFailed, InvalidExpression
from .suggestions import did_you_mean

if TYPE_CHECKING:
    import cel

MAX_LENGTH: Final = 2048
MAX_NESTING: Final = 64
MAX_MACROS: Final = 8
MAX_MAPS: Final = 2
LARGEST: Final = {0: 1 << 62, 1: 1000, 2: 100}
"""By how deep comprehensions nest: the longest list or map that an event may bring along."""

_MACROS: Final = frozenset({"all", "exists", "exists_one", "map", "filter"})
_FUNCTIONS: Final = frozenset(
    [
        "has",
        "size",
        "contains",
        "startsWith",
        "endsWith",
        "matches",
        "int",
        "uint",
        "double",
        "string",
        "bytes",
        "timestamp",
        "duration",
        "getFullYear",
        "getMonth",
        "getDayOfYear",
        "getDayOfMonth",
        "getDate",
        "getDayOfWeek",
        "getHours",
        "getMinutes",
        "getSeconds",
        "getMilliseconds",
        "max",
        "min",
        "type",
        "dyn",
        "bool",
    ]
)
_TOKEN: Final = re.compile(
    r"""//[^\n]*|[rbRB]{0,2}(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")"""
    r"""|(?P<call>\.\s*(?P<name>[A-Za-z_]\w*)\s*\(\s*(?P<bound>[A-Za-z_]\w*)?)|(?P<open>[(\[{])"""
    r"""|(?P<close>[)\]}])""",
    re.DOTALL,
)


class Scope:
    """The values that the expressions of one event share, converted for CEL once.

    Args:
        variables: JSON values by name.
    """

    __slots__ = ("_context", "_largest", "variables")

    def __init__(self, variables: dict[str, Any]) -> None:
        self.variables = variables
        self._context: cel.Context | None = None
        self._largest: int | None = None

    @property
    def context(self) -> cel.Context:
        if self._context is None:
            import cel  # loads a whole terminal library: only who uses expressions pays for it

            self._context = cel.Context(self.variables)
        return self._context

    @property
    def largest(self) -> int:
        """How many items the longest list or map among the values has."""
        if self._largest is None:
            self._largest = _largest(self.variables)
        return self._largest


def _largest(value: Any) -> int:
    longest, left = 0, [value]
    while left:
        item = left.pop()
        if isinstance(item, dict | list | tuple):
            longest = max(longest, len(item))
            left.extend(item.values() if isinstance(item, dict) else item)
    return longest


class Expression:
    """A compiled CEL expression that answers true or false.

    Args:
        source: the expression, at most ``MAX_LENGTH`` characters.

    Raises:
        InvalidExpression: it is no CEL, uses unknown names, or nests too deep.
    """

    __slots__ = ("_depth", "_program", "source")
    variables: ClassVar[frozenset[str]] = frozenset({"event"})

    def __init__(self, source: str) -> None:
        if len(source) > MAX_LENGTH:
            raise InvalidExpression(f"longer than {MAX_LENGTH} characters")
        self.source = source
        self._depth, bound = _shape(source)
        self._check_names(_compile(source), bound)
        # Only a condition's truth crosses over from CEL, so a huge value is never converted.
        self._program = _compile(f"({source}\n) ? true : false")

    def _check_names(self, program: cel.Program, bound: set[str]) -> None:
        known = self.variables | bound
        for name in program.variables():
            if name not in known:
                raise InvalidExpression(f"unknown name '{name}'{did_you_mean(name, known)}")
        for name in program.functions():
            if name.isidentifier() and name not in _FUNCTIONS:
                hint = did_you_mean(name, _FUNCTIONS)
                raise InvalidExpression(f"unknown function '{name}'{hint}")

    def holds(self, scope: Scope) -> bool:
        """Tell whether the expression is true.

        Raises:
            ExpressionFailed: a key is missing, types don't fit, or a list is too long.
        """
        return self._answer(scope) is True

    def _answer(self, scope: Scope) -> Any:
        if self._depth and scope.largest > LARGEST[self._depth]:
            raise ExpressionFailed(
                f"the event has a list or map of {scope.largest:,} items; "
                f"this expression takes at most {LARGEST[self._depth]:,}"
            )
        try:
            return self._program.execute(scope.context)
        except (KeyboardInterrupt, SystemExit):
            raise
        except KeyError as error:
            raise ExpressionFailed(f"no key {error}") from error
        except BaseException as error:  # a panic of the Rust side is no Exception
            raise ExpressionFailed(f"{type(error).__name__}: {str(error)[:300]}") from error

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


def _compile(source: str) -> cel.Program:
    import cel

    try:
        return cel.compile(source)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the Rust side is no Exception
        raise InvalidExpression(_first_complaint(str(error))) from error


def _first_complaint(message: str) -> str:
    """Shorten the parser's message to its position and its first complaint."""
    found = re.search(r"ERROR: <input>:(\d+):(\d+): (.*)", message)
    if not found:
        return message[:200]
    line, column, what = found.groups()
    what = re.sub(r" expecting \{.*", "", what)[:200]
    return f"at {line}:{column}: {what}"


def _shape(source: str) -> tuple[int, set[str]]:
    """Return how deep comprehensions nest and the names they bind.

    The parser itself has no bound on either, so this looks at the text before it does.
    """
    stack: list[bool] = []
    bound: set[str] = set()
    deepest, macros = 0, []
    for token in _TOKEN.finditer(source):
        if token["call"]:
            is_macro = token["name"] in _MACROS
            stack.append(is_macro)
            if is_macro and token["bound"]:
                bound.add(token["bound"])
                macros.append(token["name"])
        elif token["open"]:
            stack.append(False)
        elif token["close"] and stack:
            stack.pop()
        deepest = max(deepest, sum(stack))
        _check_bounds(len(stack), deepest, macros)
    return deepest, bound


def _check_bounds(nesting: int, deepest: int, macros: list[str]) -> None:
    if nesting > MAX_NESTING:
        raise InvalidExpression(f"nested deeper than {MAX_NESTING}")
    if deepest > max(LARGEST):
        raise InvalidExpression(f"comprehensions nested deeper than {max(LARGEST)}")
    if len(macros) > MAX_MACROS or macros.count("map") > MAX_MAPS:
        raise InvalidExpression(
            f"more than {MAX_MACROS} comprehensions, or more than {MAX_MAPS} of them 'map'"
        )
