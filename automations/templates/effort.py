"""How much work a template is, as far as its text tells."""

from __future__ import annotations

from typing import Final

from jinja2 import nodes

from ..exceptions import InvalidTemplate

MAX_PARTS: Final = 3000
"""Names, operators and tags of a template: each of them costs when it is compiled."""

_QUICK: Final = frozenset(
    {"abs", "attr", "capitalize", "count", "d", "default", "e", "escape", "first", "float"}
    | {"int", "last", "length", "list", "lower", "max", "min", "replace", "reverse", "round"}
    | {"strftime", "string", "sum", "title", "tojson", "trim", "truncate", "upper", "urlencode"}
)
"""Filters that take no longer than copying what they are given some times."""
_OPERATIONS: Final = (nodes.BinExpr, nodes.Compare, nodes.Concat, nodes.Filter, nodes.Slice)


def effort(tree: nodes.Template) -> int | None:
    """Return how many operations a template takes; None where that can't be told.

    Raises:
        InvalidTemplate: it has more than ``MAX_PARTS`` parts.
    """
    found: int | None = 0
    for count, node in enumerate(tree.find_all(nodes.Node)):
        if count > MAX_PARTS:
            raise InvalidTemplate(f"a template of more than {MAX_PARTS:,} parts")
        if _may_take_long(node):
            found = None
        elif found is not None and isinstance(node, _OPERATIONS):
            found += 1
    return found


def _may_take_long(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Filter):
        return node.name not in _QUICK
    return isinstance(node, nodes.For | nodes.Call)
