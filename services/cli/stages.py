"""What a stage of control asked and found, in a few words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from . import times
from .printing import cell, literal

Stage = Mapping[str, Any]

MARKS: Final = {
    "pass": ("✓", "green"),
    "hold": ("…", "yellow"),
    "drop": ("✗", "red"),
    None: ("·", "dim"),
}
_ARE: Final = {"max_size": "{actual} of {expected}", "waiting": "{actual} of {expected} wait",
               "max_depth": "passed on the way here: {actual} of {expected}"}  # fmt: skip
_MOMENTS: Final = {"free at": "", "goes on at": "", "timeout": "{expected}, "}
_CONDITION: Final = "condition"


def words(stage: Stage, day: str) -> str:
    """Return what a stage found, in one line: ``3 in 1d, 3 used, free at 07:10:00``.

    Args:
        day: the day of the event; moments of other days are told with theirs.
    """
    if stage["stage"] == "incident":
        return _incident(stage, day)
    checks = [check for check in stage["checks"] if check["what"] != _CONDITION]
    told = [each for each in (_word(stage, check, day) for check in checks) if each]
    if not told and stage["detail"] not in [check["expected"] for check in stage["checks"]]:
        told = [cell(stage["detail"]).strip("-")]
    return ", ".join(told)


def _word(stage: Stage, check: Mapping[str, Any], day: str) -> str:
    what, expected, actual = check["what"], check["expected"], check["actual"]
    if what in _MOMENTS:
        before = _MOMENTS[what].format(expected=expected)
        words = "ends at" if what == "timeout" else what
        return f"{before}{words} {moment(actual, day)}" if actual else before.rstrip(", ")
    if what == "max_size" and stage["verdict"] is None:
        return f"up to {expected}"
    if what in _ARE:
        return _ARE[what].format(actual=actual, expected=expected)
    if what.startswith("mode "):
        return f"{what.removeprefix('mode ')}, {actual} of {expected} in progress"
    return ", ".join(cell(each) for each in (expected, actual) if each is not None)


def _incident(stage: Stage, day: str) -> str:
    state = stage["state"]
    if not state or not state.get("since"):
        return "none open"
    firings = f"{state['count']} firing{'' if state['count'] == 1 else 's'}"
    return f"open since {moment(state['since'], day)}, {firings}"


def conditions(stage: Stage) -> Iterator[tuple[bool | None, str, str]]:
    """Yield each condition: whether it holds, how it is written, and what it saw."""
    for check in stage["checks"]:
        if check["what"] == _CONDITION:
            yield check["met"], cell(check["expected"]), ", ".join(_saw(check))


def _saw(check: Mapping[str, Any]) -> Iterator[str]:
    for path, value in (check.get("values") or {}).items():
        yield f"{cell(path)} is {literal(value)}"
    if isinstance(check["actual"], list):
        for each in check["actual"]:
            yield f"{cell(each.get('lookup'))} is {literal(each.get('value', each.get('error')))}"


def moment(ms: float, day: str) -> str:
    """Return a moment, without its day where that is the one at hand."""
    at, _, clock = times.local(ms).partition(" ")
    return clock if at == day else f"{at} {clock}"


def day_of(found: Mapping[str, Any]) -> str:
    """Return the day of the event that an explanation is about."""
    return times.local(found["event"]["received"]).partition(" ")[0]
