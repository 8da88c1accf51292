"""Finds what an expression mentions and what that is, for people who ask why it came out so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_TEXTS: Final = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'")
_PATH: Final = re.compile(r"(?<![\w.\]])([a-z_]\w*)((?:\.[A-Za-z_]\w*)+)(\s*\()?")
_MOST: Final = 10
_LONGEST: Final = 100
_MISSING: Final = "missing"


def mentioned(source: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of each path such as ``event.payload.attempt`` that an expression mentions.

    What is not there is ``missing``; long values are cut.

    Args:
        source: the expression. variables: what it sees, by name.
    """
    found: dict[str, Any] = {}
    for path in _paths(_TEXTS.sub("''", source)):
        if path.partition(".")[0] in variables and len(found) < _MOST:
            found[path] = _short(_value(path, variables))
    return found


def _paths(source: str) -> Iterator[str]:
    for match in _PATH.finditer(source):
        steps = match[2]
        if match[3]:  # the last step is a call: what it is called on is what matters
            steps = steps.rpartition(".")[0]
        if steps:
            yield match[1] + steps


def _value(path: str, variables: Mapping[str, Any]) -> Any:
    value: Any = variables
    for step in path.split("."):
        if not isinstance(value, Mapping) or step not in value:
            return _MISSING
        value = value[step]
    return value


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
    if isinstance(value, Mapping | list):
        return f"{len(value)} {'fields' if isinstance(value, Mapping) else 'items'}"
    return value
