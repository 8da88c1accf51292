"""Which values a template reads, as far as its text tells: ``event.payload.attempt``."""

from __future__ import annotations

from typing import Final

from jinja2 import nodes

_STAND_LACK: Final = frozenset({"default", "d"})
_ASK: Final = frozenset({"defined", "undefined"})


def paths_of(tree: nodes.Template) -> list[tuple[str, ...]]:
    """Return the paths that a template reads, without those that it may well lack.

    Those are what ``default`` is applied to, and what is asked for with ``is defined`` anywhere.
    """
    asked = {_path(each.node) for each in tree.find_all(nodes.Test) if each.name in _ASK}
    stood = {id(each.node) for each in tree.find_all(nodes.Filter) if each.name in _STAND_LACK}
    inner: set[int] = set()
    found: list[tuple[str, ...]] = []
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        if id(node) in inner:
            continue
        inner |= _within(node)
        path = _path(node)
        if path and path not in asked and id(node) not in stood:
            found.append(path[:-1] if _is_called(tree, node) else path)
    return found


def _within(node: nodes.Node) -> set[int]:
    """Return the shorter ways that a path consists of."""
    found = set()
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        node = node.node
        found.add(id(node))
    return found


def _path(node: nodes.Node | None) -> tuple[str, ...]:
    """Return a path from its name on, up to the first part that is not written out."""
    steps: list[str | None] = []
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        steps.append(node.attr if isinstance(node, nodes.Getattr) else _key(node))
        node = node.node
    if not isinstance(node, nodes.Name):
        return ()
    written = steps[::-1]
    known = written[: written.index(None)] if None in written else written
    return (node.name, *(step for step in known if step is not None))


def _key(node: nodes.Getitem) -> str | None:
    key = node.arg.value if isinstance(node.arg, nodes.Const) else None
    return key if isinstance(key, str) else None


def _is_called(tree: nodes.Template, node: nodes.Node) -> bool:
    return any(call.node is node for call in tree.find_all(nodes.Call))
