"""What compiling a regular expression costs: CEL does it anew at each evaluation."""

from __future__ import annotations

import re
from typing import Final

from ..exceptions import InvalidExpression

MAX_LENGTH: Final = 512
MAX_COST: Final = 20_000_000.0
"""Nanoseconds."""

_SMALL: Final = 20_000.0
_LITERAL, _ANY, _BLANK, _DIGIT, _UNICODE = 200.0, 6_000.0, 8_000.0, 30_000.0, 400_000.0
"""By atom, measured: large classes of characters become large automata."""

_ATOM: Final = re.compile(
    r"(?P<repeat>\{(?P<least>\d+)(?:,(?P<most>\d*))?\})|(?P<open>\((?:\?[^:)]*:?)?)|(?P<close>\))"
    r"|(?P<set>\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\])|(?P<escaped>\\(?:[pP]\{[^}]*\}|[pP].|.))"
    r"|(?P<other>.)",
    re.DOTALL,
)


def compile_cost(pattern: str) -> float:
    """Return what compiling a pattern costs, in ns, at most.

    Raises:
        InvalidExpression: it is too long or costs too much.
    """
    if len(pattern) > MAX_LENGTH:
        raise InvalidExpression(f"a pattern of more than {MAX_LENGTH} characters")
    literal = _ANY if re.search(r"\(\?[a-zA-Z]*i", pattern) else _LITERAL
    groups, last = [_SMALL], 0.0
    for atom in _ATOM.finditer(pattern):
        if atom["repeat"]:
            times = int(atom["most"] or atom["least"]) if atom["most"] != "" else int(atom["least"])
            groups[-1] += last * max(times - 1, 0)
            last *= max(times, 1)
        elif atom["open"]:
            groups.append(0.0)
        elif atom["close"]:
            last = groups.pop() if len(groups) > 1 else 0.0
            groups[-1] += last
        else:
            last = _cost_of(atom, literal)
            groups[-1] += last
        if sum(groups) > MAX_COST:
            raise InvalidExpression("a pattern that takes too long to compile: repeat less in it")
    return sum(groups)


def _cost_of(atom: re.Match[str], literal: float) -> float:
    if atom["set"]:
        costs = [_escape(each) for each in re.findall(r"\\(?:[pP]\{[^}]*\}|.)", atom["set"])]
        plain = _ANY if atom["set"].startswith("[^") or "&&" in atom["set"] else literal
        return max([plain, 2 * literal, *costs])
    if atom["escaped"]:
        return _escape(atom["escaped"])
    return _ANY if atom["other"] == "." else literal


def _escape(escaped: str) -> float:
    kind = escaped[1]
    if kind in "wWpPDSB":
        return _UNICODE
    return {"d": _DIGIT, "s": _BLANK, "b": _BLANK}.get(kind, _ANY if kind in "xuU" else _LITERAL)
