"""Narrows what expressions see to what they read: converting a whole event takes longest of all."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TypeAlias

from .expression import Scope

Path: TypeAlias = tuple[str, ...]
Tree: TypeAlias = "dict[str, Tree]"
"""Fields that are read, by name; an empty one is read whole."""


class NarrowScope(Scope):
    """A scope of which each expression gets a part; those that read the same share it.

    Args:
        variables: JSON values by name.
    """

    __slots__ = ("_parts",)

    def __init__(self, variables: dict[str, Any]) -> None:
        super().__init__(variables)
        self._parts: dict[frozenset[Path], Scope] = {}

    def of(self, paths: frozenset[Path]) -> Scope:
        part = self._parts.get(paths)
        if part is None:
            part = self._parts[paths] = Scope(narrowed(self.variables, paths))
        return part


def narrowed(variables: dict[str, Any], paths: frozenset[Path]) -> dict[str, Any]:
    """Return of variables what is at these paths, and no more."""
    return _fields(variables, _tree(paths))


@lru_cache(maxsize=4096)
def _tree(paths: frozenset[Path]) -> Tree:
    tree: Tree = {}
    for path in _outermost(paths):
        at = tree
        for name in path:
            at = at.setdefault(name, {})
    return tree


def _outermost(paths: Iterable[Path]) -> list[Path]:
    """Return the paths that are not below another one of them."""
    kept: list[Path] = []
    for path in sorted(paths):
        if not (kept and path[: len(kept[-1])] == kept[-1]):
            kept.append(path)
    return kept


def _fields(value: dict[str, Any], tree: Tree) -> dict[str, Any]:
    return {name: _part(value[name], below) for name, below in tree.items() if name in value}


def _part(value: Any, tree: Tree) -> Any:
    return _fields(value, tree) if tree and isinstance(value, dict) else value
