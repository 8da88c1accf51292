"""A Jinja2 environment for strangers' templates: no code, and no way to grow a value without end.

Jinja2's own sandbox keeps templates away from the interpreter; it leaves size and time open.
So repetition, padding, joining and looping are counted here, and blocks that buffer are refused.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, Final

from jinja2 import Environment, StrictUndefined, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from .budget import BUDGET, Steps
from .moments import strftime

MAX_OUTPUT: Final = 256 * 1024
MAX_PADDING: Final = 10_000
MAX_BITS: Final = 4096
MAX_DIGITS: Final = 300
MAX_ITEMS: Final = 100_000
MAX_DATA: Final = 8 * 1024 * 1024
MAX_WRAPPED: Final = 2_000_000_000

_PADDING: Final = frozenset(
    ["center", "ljust", "rjust", "zfill", "expandtabs", "indent", "wordwrap", "batch", "slice"]
) | frozenset(["format", "format_map"])
_WIDE: Final = re.compile(r"\d{5}|%[^a-zA-Z%]*\*|:[^{}]*\{")
_REFUSED: Final = (
    nodes.AssignBlock,
    nodes.Block,
    nodes.CallBlock,
    nodes.Extends,
    nodes.FilterBlock,
    nodes.FromImport,
    nodes.Import,
    nodes.Include,
    nodes.Macro,
)


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment that all templates are compiled in."""

    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, finalize=bounded, autoescape=False)
        self.globals = {
            name: self.globals[name] for name in ("range", "dict", "namespace", "cycler", "joiner")
        }
        self.filters = {name: _guarded(name, each) for name, each in self.filters.items()}
        self.filters["strftime"] = _guarded("strftime", strftime)
        self.filters[_COUNTED] = _counted
        self.filters[_WHOLE] = _guarded(_WHOLE, lambda value: value)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Read an attribute; of a mapping its items first, so that ``payload.items`` is data."""
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        if isinstance(obj, str) and attribute.startswith("format") and _WIDE.search(obj):
            raise SecurityError(f"{attribute}: such a width is not allowed")
        return super().getattr(obj, attribute)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _check_operation(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        owner = getattr(__obj, "__self__", None)
        if isinstance(owner, str | list | dict):
            _check_growth(__obj.__name__, owner, args, kwargs)
        made = bounded(super().call(__context, __obj, *args, **kwargs))
        __context[BUDGET].charge(made)
        return made

    def prepare(self, tree: nodes.Template) -> nodes.Template:
        """Refuse what can't be bounded, and have loops and ``~`` counted.

        Raises:
            SecurityError: the template uses a block that is not allowed.
        """
        for node in tree.find_all(_REFUSED):
            raise SecurityError(f"line {node.lineno}: this kind of block is not allowed")
        for loop in list(tree.find_all(nodes.For)):
            if loop.recursive:
                raise SecurityError(f"line {loop.lineno}: recursive loops are not allowed")
            loop.iter = _filtered(loop.iter, _COUNTED, self)
        return _Watched(self).visit(tree)  # type: ignore[no-any-return]


_COUNTED: Final = "upshot_counted"
_WHOLE: Final = "upshot_whole"


def _filtered(node: nodes.Node, name: str, environment: Environment) -> nodes.Filter:
    filtered = nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
    filtered.set_environment(environment)
    return filtered


class _Watched(NodeTransformer):
    """Puts filters, which the environment can watch, where it can't: at ``~`` and at literals.

    Lists within lists, doubled a few times, have more items than anything could compare or hash.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), "join", self._environment)

    def visit_List(self, node: nodes.List | nodes.Dict) -> nodes.Node:
        self.generic_visit(node)
        if all(isinstance(each, nodes.Const) for each in node.items):
            return node
        return _filtered(node, _WHOLE, self._environment)

    visit_Dict = visit_List

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        if node.ctx != "load" or all(isinstance(each, nodes.Const) for each in node.items):
            return node
        return _filtered(node, _WHOLE, self._environment)


@pass_context
def _counted(context: Context, value: Any) -> Any:
    """Pass a loop's items on, and charge each to the rendering's budget."""
    items = value if hasattr(value, "__len__") else list(value)
    context[BUDGET].spend(len(items))
    return Steps(items, context[BUDGET])


def _guarded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that is charged for what it makes, and refuses to make too much."""
    wants = getattr(function, "jinja_pass_arg", None)

    @pass_context
    @functools.wraps(function)
    def guarded(context: Context, *args: Any, **kwargs: Any) -> Any:
        data = [each for each in args if isinstance(each, str | list | tuple | dict | int)]
        if data:
            _check_growth(name, data[0], tuple(data[1:]), kwargs)
        made = bounded(function(*_first_argument(wants, context), *args, **kwargs))
        context[BUDGET].charge(made)
        return made

    return guarded


def _first_argument(wants: Any, context: Context) -> tuple[Any, ...]:
    """Return what Jinja2 itself would pass first to a filter marked so."""
    if wants is None:
        return ()
    known = {"context": context, "eval_context": context.eval_ctx}
    return (known.get(wants.name, context.environment),)


def _check_growth(name: str, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Refuse a method or filter whose result would be far longer than what it was given."""
    bounded(owner)
    given = [bounded(each) for each in (*args, *kwargs.values())]
    if name in _PADDING:
        if any(isinstance(each, int) and abs(each) > MAX_PADDING for each in given):
            raise SecurityError(f"{name}: more than {MAX_PADDING:,} is not allowed")
        if "format" in name and isinstance(owner, str) and _WIDE.search(owner):
            raise SecurityError(f"{name}: such a width is not allowed")
    if name == "wordwrap" and len(owner) ** 2 > MAX_WRAPPED * max(_first_whole(given), 1):
        raise SecurityError("wordwrap: the text is too long for lines so short")
    if name == "round" and any(isinstance(each, int) and abs(each) > MAX_DIGITS for each in given):
        raise SecurityError(f"round: more than {MAX_DIGITS} digits are not allowed")
    if name in {"replace", "join", "translate"}:
        longest = max((_longest(each) for each in given), default=0)
        if (len(owner) + 1) * (longest + 1) > 16 * MAX_OUTPUT:
            raise SecurityError(f"{name}: the result could be too long")


def _check_operation(operator: str, left: Any, right: Any) -> None:
    if operator == "%" and isinstance(left, str):
        _check_growth("format", left, right if isinstance(right, tuple) else (right,), {})
    elif operator == "+":
        if _length(left) + _length(right) > MAX_OUTPUT:
            raise SecurityError("'+': the result is too long")
    elif operator == "*":
        repeated = max(_length(left), _length(right)) * max(_whole(left), _whole(right))
        if repeated > MAX_OUTPUT or _bits(left) + _bits(right) > MAX_BITS:
            raise SecurityError("'*': the result is too long")
    elif operator == "**" and _bits(left) * max(_whole(right), 1) > MAX_BITS:
        raise SecurityError("'**': the result is too long")


def _longest(value: Any) -> int:
    """Return the length of a value, or of the longest one within a mapping."""
    within = value.values() if isinstance(value, dict) else ()
    return max(len(each) for each in (value, *within, "") if hasattr(each, "__len__"))


def _first_whole(given: list[Any]) -> int:
    return next((each for each in given if isinstance(each, int)), 79)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str | list | tuple) else 0


def _whole(value: Any) -> int:
    return abs(value) if isinstance(value, int) else 0


def _bits(value: Any) -> int:
    return value.bit_length() if isinstance(value, int) else 0


def bounded(value: Any) -> Any:
    """Return the value unless it is too long, or too much hangs below it.

    Raises:
        SecurityError: saying which bound it goes beyond.
    """
    if isinstance(value, str) and len(value) > MAX_OUTPUT:
        raise SecurityError(f"a text of more than {MAX_OUTPUT:,} characters")
    left, seen, length = [value], 0, 0
    while left:
        item = left.pop()
        if isinstance(item, dict | list | tuple):
            seen += len(item)
            if seen > MAX_ITEMS:
                raise SecurityError(f"a value of more than {MAX_ITEMS:,} items")
            left.extend(item.values() if isinstance(item, dict) else item)
        elif isinstance(item, str):
            length += len(item)
            if length > MAX_DATA:
                raise SecurityError(f"a value of more than {MAX_DATA:,} characters in all")
    return value
