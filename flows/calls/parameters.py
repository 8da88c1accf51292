"""Parameters of flows and tasks: bound to the function's signature, checked against its types."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeAlias

from ..amount import TOO_MANY, holds_too_many
from ..exceptions import InvalidParameters
from ..given import shown

Arguments: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments of a call."""

_P = inspect.Parameter
_NAMED: Final = (_P.POSITIONAL_OR_KEYWORD, _P.KEYWORD_ONLY)
_SHOWN: Final = 200
MAX_STORED_BYTES: Final = 256 * 1024
MAX_GIVEN_BYTES: Final = 512 * 1024
"""JSON that the parameters of a run may have which another process is to read."""


class Signature:
    """The parameters of one function.

    Args:
        function: whose parameters they are.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._signature = inspect.signature(function)
        parameters = self._signature.parameters.values()
        self.names = tuple(parameter.name for parameter in parameters)
        self._all = frozenset(self.names)
        self._positional = tuple(p.name for p in parameters if p.kind is _P.POSITIONAL_OR_KEYWORD)
        self._required = tuple(p.name for p in parameters if p.default is _P.empty)
        self._plain = all(parameter.kind in _NAMED for parameter in parameters)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return which parameter gets what; defaults are left out.

        Raises:
            TypeError: the arguments do not fit, in the words of Python.
        """
        if self._plain and len(args) <= len(self._positional):
            bound = dict(zip(self._positional, args, strict=False))
            # Binding by hand is ten times as fast as inspect's way, which is for the rest.
            if not (kwargs.keys() & bound.keys()) and kwargs.keys() <= self._all:
                bound.update(kwargs)
                if all(name in bound for name in self._required):
                    return bound
        return dict(self._signature.bind(*args, **kwargs).arguments)

    def with_defaults(self, bound: Mapping[str, Any]) -> dict[str, Any]:
        """Return bound parameters and the defaults of the others, in the signature's order."""
        arguments = inspect.BoundArguments(self._signature, dict(bound))
        arguments.apply_defaults()
        return dict(arguments.arguments)

    def call_of(self, bound: Mapping[str, Any]) -> Arguments:
        """Return how to call the function with parameters that were bound."""
        arguments = inspect.BoundArguments(self._signature, dict(bound))
        return arguments.args, arguments.kwargs

    def check(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
        """Return the arguments as the annotated types, defaults added.

        Raises:
            InvalidParameters: with what is wrong with each.
        """
        from pydantic import ValidationError

        try:
            checked: Arguments = self._validator(*args, **kwargs)
        except ValidationError as error:
            raise InvalidParameters(self._describe(error)) from None
        return checked

    def prepare(self) -> None:
        """Do now what the first check would do, as far as the annotations can be understood."""
        from pydantic import PydanticUserError

        with suppress(PydanticUserError, NameError, TypeError):
            _ = self._validator

    def _describe(self, error: Any) -> str:
        problems = error.errors(include_url=False, include_input=False)
        return "; ".join(self._told(problem) for problem in problems)

    def _told(self, problem: Any) -> str:
        told = f"{self._place(problem['loc'])}: {problem['msg']}"
        unknown = problem["type"] == "unexpected_keyword_argument"
        return f"{told}; it takes {', '.join(self.names) or 'none'}" if unknown else told

    def _place(self, where: tuple[int | str, ...]) -> str:
        first = where[0]
        if isinstance(first, int) and first < len(self.names):
            first = self.names[first]
        return ".".join(str(part) for part in (first, *where[1:])) or "''"

    @functools.cached_property
    def _validator(self) -> Callable[..., Arguments]:
        from pydantic import ConfigDict, validate_call

        @functools.wraps(self._function)
        def keep(*args: Any, **kwargs: Any) -> Arguments:
            return args, kwargs

        # What it returns is not checked, and may be annotated with what only type checkers know.
        hints = getattr(self._function, "__annotations__", {})
        keep.__annotations__ = {name: hint for name, hint in hints.items() if name != "return"}
        return validate_call(config=ConfigDict(arbitrary_types_allowed=True))(keep)


def as_stored(bound: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as the run's record shows them: JSON, what is not JSON by its repr."""
    stored = {name: _as_json(value) for name, value in bound.items()}
    from pydantic_core import to_json

    if len(to_json(stored)) <= MAX_STORED_BYTES:
        return stored
    limit = MAX_STORED_BYTES // len(stored)
    return {name: _within(value, limit) for name, value in stored.items()}


def as_json(name: str, value: Any) -> Any:
    """Return a parameter as JSON that another process reads it from.

    Raises:
        InvalidParameters: that can not be; ``name`` says of which.
    """
    from pydantic_core import PydanticSerializationError, from_json, to_json

    if holds_too_many(value):
        raise InvalidParameters(f"{name}: {TOO_MANY}; put large data in a file, and give its place")
    try:
        written = from_json(to_json(value, inf_nan_mode="constants"))
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise InvalidParameters(f"{name}: can not be written as JSON: {error}") from None
    _require_finite(name, written)
    return written


def require_fitting(parameters: Mapping[str, Any]) -> None:
    """Do nothing for parameters that a run can carry to another process.

    Args:
        parameters: JSON data by name.

    Raises:
        InvalidParameters: naming one that is too large or too deep or no JSON, or has no name.
    """
    from pydantic_core import to_json

    from upshot.events.event import MAX_NESTING, nesting

    if "" in parameters:
        raise InvalidParameters("parameters: one has no name")
    sizes = {name: len(to_json(value)) for name, value in parameters.items()}
    if (together := sum(sizes.values())) > MAX_GIVEN_BYTES:
        largest = max(sizes, key=lambda name: sizes[name])
        raise InvalidParameters(
            f"{largest}: the parameters have {together:,} bytes as JSON, and at most "
            f"{MAX_GIVEN_BYTES:,} are carried; put large data in a file, and give its place"
        )
    for name, value in parameters.items():
        if nesting(value) > MAX_NESTING:
            raise InvalidParameters(f"{name}: nested deeper than {MAX_NESTING} levels")
        _require_finite(name, value)


def _require_finite(name: str, value: Any) -> None:
    from upshot.events.finite import NOT_FINITE, not_finite

    if (way := not_finite(value)) is not None:
        raise InvalidParameters(f"{'.'.join(filter(None, (name, way)))}: {NOT_FINITE}")


def _as_json(value: Any) -> Any:
    from pydantic_core import from_json, to_json

    if holds_too_many(value):
        return f"<{type(value).__name__} that {TOO_MANY}>"
    try:
        return from_json(to_json(value, fallback=_shown, inf_nan_mode="strings"))
    except (ValueError, RecursionError):  # circular, too deep, or text that is not Unicode
        return _shown(value, ascii)


def _within(value: Any, limit: int) -> Any:
    from pydantic_core import to_json

    size = len(to_json(value))
    return value if size <= limit else f"<{type(value).__name__}, {size:,} bytes>"


def _shown(value: Any, show: Callable[[Any], str] = repr) -> str:
    return shown(value, _SHOWN, show)
