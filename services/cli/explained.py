"""An explanation as a tree for people: the answer first, then each part with what it found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from . import times
from .printing import cell, styled
from .reasons import sentence, shown
from .stages import MARKS, conditions, day_of, moment, words

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

_MARKS: Final = {True: ("✓", "green"), False: ("✗", "red"), None: ("·", "dim")}
_COUNTS: Final = {"threshold": "", "require": " have fired", "steps": " are done"}
"""What is counted, and the words after ``2 of 3``."""
_WAITING_OUT: Final = "waiting_that_nothing_forbidden_comes"
_FEW: Final = 3
_ELSEWHERE: Final = "event_not_expected"

Found = Mapping[str, Any]


def tree(found: Found) -> Tree:
    """Return an explanation, as the API gives it, as a tree."""
    from rich.tree import Tree

    root = Tree(_head(found), guide_style="dim")
    _grow(root, found["tree"], found)
    _control(root, found)
    return root


def _head(found: Found) -> Text:
    """Return the answer: whether it fires, the first reason in words, and on which event."""
    event = found["event"]
    mark, style = _MARKS[found["fired"]]
    verb = "fires" if found["fired"] else "does not fire"
    done = ": nothing is done" if found["fired"] else ""
    shadow = f" (a shadow{done})" if found.get("shadow") else ""
    parts = [(f"{mark} {cell(found['automation'])} {verb}: ", style)]
    parts += [(found["reason"], f"bold {style}"), (shadow, "cyan")]
    if told := sentence(found):
        parts.append((f"\n  {told}", "bold"))
    parts.append((f"\n  {cell(event['event'])} {cell(event['resource']['id'])}", ""))
    parts.append((f", {times.local(event['received'])}", "dim"))
    if found.get("since") is not None:
        parts.append((f"\n  as of what came since {times.local(found['since'])}", "dim"))
    return styled(parts)


def _grow(branch: Tree, part: Found, found: Found) -> None:
    """Add a trigger, what it asks, and the triggers within it."""
    inner = part["parts"]
    if part["verdict"] == _ELSEWHERE and found["tree"] is not part and not inner:
        branch.add(_bystander(part, found))
        return
    grown = branch.add(_title(part, found))
    for check in part["checks"]:
        if line := _check(check, part, found):
            grown.add(line)
    there = _is_complete(part)
    for each in inner:
        _grow(grown, {**each, "there": there and not each["negated"]}, found)


def _is_complete(part: Found) -> bool:
    """Tell whether every part that has to fire has fired, and it only waits for none other to."""
    wanted = [each["expected"] for each in part["checks"] if each["what"] in ("require", "steps")]
    positive = sum(not each["negated"] for each in part["parts"])
    return part["verdict"] == _WAITING_OUT and wanted == [positive]


def _title(part: Found, found: Found) -> Text:
    mark, style = _MARKS[_met(part)]
    parts = [(f"{mark} ", style), ("not " if part.get("negated") else "", "bold")]
    parts += [(part["trigger"], style), (f"  {part['verdict']}", style)]
    if bucket := ", ".join(f"{key}={cell(value)}" for key, value in part["bucket"].items()):
        parts.append((f"  for {bucket}", "cyan"))
    return styled([*parts, *_held(part, found)])


def _met(part: Found) -> bool | None:
    """Return whether a trigger did what is wanted of it; None where that is still open."""
    if part.get("negated"):
        return False if part["fires"] or part.get("held") else None
    return True if part["fires"] else None if part.get("held") else False


def _bystander(part: Found, found: Found) -> Text:
    """Return a trigger that this event is nothing to, in one line."""
    negated = bool(part.get("negated"))
    mark, style = _MARKS[not negated if part.get("held") or part.get("there") else None]
    waits = ", ".join(_names(part)) or part["trigger"]
    words = "not " if negated else ""
    return styled([(f"{mark} ", style), (f"{words}{waits}", ""), *_held(part, found)])


def _held(part: Found, found: Found) -> Iterator[tuple[str, str]]:
    """Yield when a part fired before."""
    if part.get("held") and not part["fires"]:
        yield f"  fired at {moment(part['held'], day_of(found))}", "dim"


def _names(part: Found) -> list[str]:
    """Return the names of the events that a trigger waits for."""
    for check in part["checks"]:
        if check["what"] in ("expect", "event") and isinstance(check["expected"], list):
            return [cell(name) for name in check["expected"]]
    return []


def _check(check: Found, part: Found, found: Found) -> Text | None:
    """Return one thing that is asked and what there was; None where it says nothing."""
    what, met = check["what"], check["met"]
    if what in _COUNTS:
        return _count(check, part, found)
    if what == "not":
        return None  # the part itself tells
    mark, style = _MARKS[met]
    parts: list[tuple[object, str]] = [(f"{mark} ", style), (f"{cell(what)}: ", "")]
    expected, actual = shown(check["expected"]), shown(check["actual"])
    if what == "where":
        parts += _where(check, expected)
    elif what == "time" and check["actual"]:
        parts.append((f"{expected}, next at {moment(check['actual'], day_of(found))}", ""))
    elif what == "after" and met and part["window"]:
        opened = moment(part["window"]["opened"], day_of(found))
        parts += [(expected, ""), (f"  opened its window at {opened}", "dim")]
    elif met is None:
        parts.append((expected, "dim"))
    elif met:
        parts += [(expected, "")] if actual in (expected, "true") else [(actual, "")]
        parts += [(f"  ({expected})", "dim")] if _adds(check) else []
    else:
        parts += [("expected ", ""), (expected, "green"), (", actual ", ""), (actual, "red")]
    return styled(parts)


def _adds(check: Found) -> bool:
    """Tell whether what was expected says more than what there was, in a few words."""
    expected, actual = check["expected"], check["actual"]
    few = not isinstance(expected, list) or len(expected) <= _FEW
    return few and actual is not True and shown(actual) != shown(expected)


def _count(check: Found, part: Found, found: Found) -> Text | None:
    """Return how far it has counted: ``2 of 3, window ends 07:10:00``; None where one will do."""
    met, wanted = check["met"], check["expected"]
    if wanted == 1 and met is not False:
        return None
    mark, style = _MARKS[met]
    told = f"{shown(check['actual'])} of {shown(wanted)}{_COUNTS[check['what']]}"
    return styled(
        [
            (f"{mark} ", style),
            (told, {True: "", False: "bold", None: "dim"}[met]),
            (_window(part, found), "dim"),
        ]
    )


def _where(check: Found, source: str) -> Iterator[tuple[object, str]]:
    """Yield an expression, how it came out, and what it saw."""
    yield source, "" if check["met"] else "dim" if check["met"] is None else "green"
    if check["met"] is False:
        error = check["actual"] if isinstance(check["actual"], str) else "is false"
        yield f"  {cell(error)}", "red"
    for path, value in (check.get("values") or {}).items():
        yield f"\n  {cell(path)} is ", "dim"
        yield shown(value), "red" if check["met"] is False else "dim"


def _window(part: Found, found: Found) -> str:
    """Return when an open window ends."""
    window = part["window"]
    if not window or not window["ends"]:
        return ""
    return f", window ends {moment(window['ends'], day_of(found))}"


def _control(branch: Tree, found: Found) -> None:
    """Add what each stage of control made of the firing."""
    stages = found.get("control") or []
    if not stages:
        return
    grown = branch.add(styled([("control", "bold")]))
    for stage in stages:
        mark, style = MARKS[stage["verdict"]]
        parts = [(f"{mark} ", style), (cell(stage["stage"]), style)]
        if stage["verdict"] not in ("pass", None):
            parts.append((f"  {stage['reason']}", style))
        about = words(stage, day_of(found))
        below = grown.add(styled([*parts, (f"  {about}" if about else "", "dim")]))
        for met, written, saw in conditions(stage):
            mark, style = _MARKS[met]
            told = (f"\n  {saw}" if saw else "", "red" if met is False else "dim")
            below.add(styled([(f"{mark} ", style), (written, ""), told]))
