"""Reads YAML as plain data that remembers where everything stood, and refuses what is harmful.

The core schema of YAML 1.2: only ``true`` and ``false`` are booleans (``on`` is a word), dates and
``10:30`` are text. Aliases are fine until they multiply; a key that comes twice is a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from upshot.events.finite import NOT_FINITE, not_finite

MAX_BYTES: Final = 1024 * 1024
MAX_NODES: Final = 200_000
MAX_DEPTH: Final = 64

Path = tuple[str | int, ...]
Place = tuple[int, int]  # line and column, both from 1

_VARIABLE: Final = re.compile(r"\$\$\{|\$\{([^}]*)\}")


class _Loader(yaml.SafeLoader):
    """The safe loader with the scalars of the core schema."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+0123456789."),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+."),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), list(_first.replace("\0", ""))
    )
_Loader.yaml_implicit_resolvers[""] = [("tag:yaml.org,2002:null", re.compile("$"))]


def _whole(loader: _Loader, node: yaml.ScalarNode) -> int:
    """Return a whole number: of the core schema, where a leading 0 makes none octal."""
    text = loader.construct_scalar(node)
    return int(text, 0) if text.startswith(("0o", "0x")) else int(text)


_Loader.add_constructor("tag:yaml.org,2002:int", _whole)


@dataclass(slots=True)
class Marked:
    """A document.

    Attributes:
        data: plain data.
        values: where each value begins, by its path.
        keys: where each key stands, by its value's path.
        problems: what is wrong, with its place.
    """

    data: Any = None
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    problems: list[tuple[Place, str]] = field(default_factory=list)

    def place(self, path: Path, *, of_key: bool = False) -> Place:
        """Return where a path stands, or the nearest place above it that is known."""
        for length in range(len(path), -1, -1):
            known = self.keys if of_key and length == len(path) else self.values
            if path[:length] in known:
                return known[path[:length]]
        return (1, 1)


def read(text: str, environment: Mapping[str, str]) -> Marked:
    """Read a document; what is wrong with it stands in ``problems``.

    Args:
        text: YAML.
        environment: what ``${NAME}`` stands for; ``$${`` is a plain ``${``.
    """
    marked = Marked()
    if len(text.encode()) > MAX_BYTES:
        marked.problems.append(((1, 1), f"the file is larger than {MAX_BYTES:,} bytes"))
        return marked
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            _check_size(node)
            marked.data = _Walk(loader, environment, marked).value(node, ())
    except yaml.MarkedYAMLError as error:
        place = _place(error.problem_mark or error.context_mark)
        marked.problems.append((place, _told(error)))
    except (yaml.YAMLError, RecursionError) as error:
        marked.problems.append(((1, 1), str(error) or "nested too deep"))
    return marked


def _told(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or str(error)
    hint = "; the keys of one mapping, and the dashes of one list, begin in the same column"
    return problem + hint if "<block" in problem else problem


def _place(mark: Any) -> Place:
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)


def _check_size(root: yaml.Node) -> None:
    """Refuse a document that its aliases make huge, endless, or too deep.

    Raises:
        yaml.MarkedYAMLError: at the place in question.
    """
    sizes: dict[int, int] = {}

    def size(node: yaml.Node, depth: int) -> int:
        if depth > MAX_DEPTH:
            _refuse(node, f"nested deeper than {MAX_DEPTH}, or an alias that contains itself")
        if id(node) not in sizes:
            sizes[id(node)] = 1 + sum(size(child, depth + 1) for child in _children(node))
        if sizes[id(node)] > MAX_NODES:
            _refuse(node, f"aliases make this more than {MAX_NODES:,} values")
        return sizes[id(node)]

    size(root, 0)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _refuse(node: yaml.Node, problem: str) -> None:
    raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


class _Walk:
    """One pass over the nodes of a document."""

    def __init__(self, loader: _Loader, environment: Mapping[str, str], marked: Marked) -> None:
        self._loader = loader
        self._environment = environment
        self._marked = marked

    def value(self, node: yaml.Node, path: Path) -> Any:
        self._marked.values[path] = _place(node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(each, (*path, index)) for index, each in enumerate(node.value)]
        value = self._scalar(node)
        if not_finite(value) is not None:
            self._problem(node, f"{NOT_FINITE}; quote it where text is meant")
        return self._filled_in(value, node) if isinstance(value, str) else value

    def _scalar(self, node: yaml.Node) -> Any:
        try:
            return self._loader.construct_object(node)
        except (ValueError, AttributeError):  # so the loader takes what is not as its tag says
            kind = node.tag.rpartition(":")[2]
            self._problem(node, f"{node.value[:40]!r} is no {kind}; quote it where text is meant")
            return None

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        own = {key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)}
        if len(own) < len(node.value):
            self._report_twice(node)
        self._loader.flatten_mapping(node)
        result: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._problem(key, "a key must be a word")
                continue
            below = (*path, key.value)
            self._marked.keys[below] = _place(key.start_mark)
            result[key.value] = self.value(value, below)
        return result

    def _report_twice(self, node: yaml.MappingNode) -> None:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                self._problem(key, f"the key '{key.value}' comes twice")
            seen.add(str(key.value))

    def _filled_in(self, text: str, node: yaml.Node) -> str:
        def fill(found: re.Match[str]) -> str:
            if found.group(1) is None:
                return "${"
            value = self._environment.get(found.group(1))
            if value is None:
                self._problem(node, f"the environment has no variable '{found.group(1)}'")
            return found.group(0) if value is None else value

        return _VARIABLE.sub(fill, text) if "${" in text else text

    def _problem(self, node: yaml.Node, problem: str) -> None:
        self._marked.problems.append((_place(node.start_mark), problem))
