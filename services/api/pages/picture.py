"""Lays a graph out from left to right, for a picture of what is made of what; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .rendering import tone

_COLUMN, _ROW, _BOX, _HEIGHT, _EDGE = 220, 46, 170, 30, 10
_MOST_NODES: Final = 120

Edge = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Node:
    """A box of a picture: its ``name``, the ``tone`` of its colour, and its place in pixels."""

    name: str
    tone: str
    x: int
    y: int
    width: int = _BOX
    height: int = _HEIGHT


@dataclass(frozen=True, slots=True)
class Picture:
    """A graph with places.

    Attributes:
        nodes: boxes. lines: paths of SVG from box to box. width, height: in pixels.
        left_out: how many nodes found no room.
    """

    nodes: tuple[Node, ...]
    lines: tuple[str, ...]
    width: int
    height: int
    left_out: int = 0


def draw(columns: Mapping[str, int], edges: Iterable[Edge], tones: Mapping[str, str]) -> Picture:
    """Return the picture of a graph.

    Args:
        columns: of each node, which column it stands in, from any number on. edges: from, to.
        tones: class of the colour of nodes; those without are dim.
    """
    shown = list(columns)[:_MOST_NODES]
    left = min((columns[name] for name in shown), default=0)
    rows: dict[int, int] = {}
    nodes: dict[str, Node] = {}
    for name in shown:
        column = columns[name] - left
        row = rows[column] = rows.get(column, -1) + 1
        x, y = _EDGE + column * _COLUMN, _EDGE + row * _ROW
        nodes[name] = Node(name, tones.get(name, "dim"), x, y)
    lines = [
        _line(nodes[start], nodes[end])
        for start, end in dict.fromkeys(edges)
        if start in nodes and end in nodes
    ]
    return Picture(
        tuple(nodes.values()),
        tuple(lines),
        2 * _EDGE + max(rows, default=0) * _COLUMN + _BOX,
        2 * _EDGE + max(rows.values(), default=0) * _ROW + _HEIGHT,
        len(columns) - len(shown),
    )


def _line(start: Node, end: Node) -> str:
    x, y = start.x + start.width, start.y + start.height // 2
    to_x, to_y = end.x, end.y + end.height // 2
    bend = max(20, (to_x - x) // 2)
    return f"M{x} {y}C{x + bend} {y} {to_x - bend} {to_y} {to_x} {to_y}"


def lineage(tree: Mapping[str, Any]) -> Picture:
    """Return the picture of an asset's lineage: what it is made of left of it, and so on."""
    columns = {tree["key"]: 0}
    tones = {tree["key"]: "here"}
    edges: list[Edge] = []
    for way, step in (("upstream", -1), ("downstream", 1)):
        for parent, child, depth in _walk(tree, way, 1):
            columns.setdefault(child["key"], step * depth)
            edges.append((child["key"], parent) if step < 0 else (parent, child["key"]))
            if child.get("materialized"):
                tones.setdefault(child["key"], tone("ok"))
    return draw(columns, edges, tones)


def _walk(
    node: Mapping[str, Any], way: str, depth: int
) -> Iterator[tuple[str, Mapping[str, Any], int]]:
    for child in node.get(way, ()):
        yield node["key"], child, depth
        yield from _walk(child, way, depth + 1)


def dependencies(after: Mapping[str, Iterable[str]], tones: Mapping[str, str]) -> Picture:
    """Return the picture of what waited for what: each name with those that it came after."""
    columns: dict[str, int] = {}
    for name in after:
        _place(name, after, columns, frozenset())
    edges = [(start, name) for name, before in after.items() for start in before]
    return draw(columns, edges, tones)


def _place(
    name: str, after: Mapping[str, Iterable[str]], columns: dict[str, int], on_way: frozenset[str]
) -> int:
    """Return the column of a node: behind all that it came after, but for circles."""
    if name not in columns:
        way = on_way | {name}
        before = [each for each in after.get(name, ()) if each not in way]
        behind = [_place(each, after, columns, way) for each in before]
        columns[name] = 1 + max(behind, default=-1)
    return columns[name]
