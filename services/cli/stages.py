"""What a stage of control asked and found, in a few words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from . import times
from .printing import cell

Stage = Mapping[str, Any]

MARKS: Final = {
    "pass": ("✓", "green"),
    "hold": ("…", "yellow"),
    "drop": ("✗", "red"),
    None: ("·", "dim"),
}
_ARE: Final = {"max_size": "{actual} of {expected}", "waiting": "{actual} of {expected} wait",
               "max_depth": "it was passed {actual} times on the way here"}  # fmt: skip
_MOMENTS: Final = {"free at": "", "goes on at": "", "timeout": "{expected}, "}
_CONDITION: Final = "condition"


def words(stage: Stage) -> str:
    """Return what a stage found, in one line: ``3 in 1d, 3 used, free at 07:10:00``."""
    if stage["stage"] == "incident":
        return _incident(stage)
    told = [_word(check) for check in stage["checks"] if check["what"] != _CONDITION]
    parts = [each for each in told if each] or [cell(stage["detail"] or "").strip("-")]
    return ", ".join(parts)


def _word(check: Mapping[str, Any]) -> str:
    what, expected, actual = check["what"], check["expected"], check["actual"]
    if what in _MOMENTS:
        before = _MOMENTS[what].format(expected=expected)
        return f"{before}{_clock(what, actual)}" if actual else before.rstrip(", ")
    if what in _ARE:
        return _ARE[what].format(actual=actual, expected=expected)
    if what.startswith("mode "):
        return f"{what.removeprefix('mode ')}, {actual} of {expected} in progress"
    return ", ".join(cell(each) for each in (expected, actual) if each is not None)


def _clock(what: str, moment: float) -> str:
    words = "ends at" if what == "timeout" else what
    return f"{words} {times.local(moment).rpartition(' ')[2]}"


def _incident(stage: Stage) -> str:
    state = stage["state"]
    if not state or not state.get("since"):
        return "none open"
    firings = f"{state['count']} firing{'' if state['count'] == 1 else 's'}"
    return f"open since {times.local(state['since']).rpartition(' ')[2]}, {firings}"


def conditions(stage: Stage) -> Iterator[tuple[bool | None, str]]:
    """Yield each condition, whether it holds, and what its look-ups found."""
    for check in stage["checks"]:
        if check["what"] == _CONDITION:
            yield check["met"], f"{cell(check['expected'])}{_found(check['actual'])}"


def _found(actual: Any) -> str:
    """Return what look-ups found: ``  (runs('deployment:etl') is 2)``."""
    if not isinstance(actual, list):
        return ""
    told = (
        f"{each.get('lookup')} is {cell(each.get('value', each.get('error')))}" for each in actual
    )
    return f"  ({cell(', '.join(told))})"
