"""Prefect's triggers as Upshot's."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from upshot.events.durations import format_duration

from ..exceptions import NoEqual
from .notes import Notes
from .prefect_names import Names, event_names, for_each, labels

_DURATION: Final = TypeAdapter(timedelta)
_METRICS: Final = {"successes": "success_rate", "lateness": "lateness", "duration": "duration"}
_NO_LIMIT: Final = timedelta(days=3650)
_SHORTEST_ABSENCE: Final = timedelta(seconds=10)
_KNOWN: Final = {
    "event": {"match", "match_related", "after", "expect", "for_each", "posture", "threshold"},
    "metric": {"match", "match_related", "posture", "metric"},
    "compound": {"triggers", "require"},
    "sequence": {"triggers"},
}


def trigger(given: Any, names: Names, notes: Notes) -> dict[str, Any]:
    """Return a trigger of Prefect's as one of Upshot's.

    Raises:
        NoEqual: there is nothing like it.
    """
    if not isinstance(given, dict):
        raise NoEqual("a trigger is a mapping")
    kind = _kind(given)
    for field in sorted(given.keys() - _KNOWN.get(kind, set()) - {"type", "id", "within"}):
        notes.add("is not known: it is left out", field)
    if kind == "event":
        return _event(given, names, notes)
    if kind == "metric":
        return _metric(given, names, notes)
    if kind in ("compound", "sequence"):
        return _composite(kind, given, names, notes)
    raise NoEqual(f"no trigger here equals the type '{kind}'")


def _kind(given: dict[str, Any]) -> str:
    if "type" in given:
        return str(given["type"])
    if "triggers" in given:
        return "compound" if "require" in given else "sequence"
    return "metric" if given.get("posture") == "Metric" else "event"


def _event(given: dict[str, Any], names: Names, notes: Notes) -> dict[str, Any]:
    with notes.at("expect"):
        expected = event_names(_texts(given.get("expect")), notes)
    with notes.at("after"):
        opening = event_names(_texts(given.get("after")), notes)
    made: dict[str, Any] = {"type": "event", "posture": given.get("posture") or "Reactive"}
    made["expect"] = list(expected.names)
    if opening.names:
        made["after"] = list(opening.names)
    made.update(_selection(given, names, notes))
    if not (made["expect"] or made.get("match") or made.get("match_related")):
        made["expect"] = ["*"]
    states = expected.states | opening.states
    if states and expected.exact and opening.exact and "state" not in made.get("match", {}):
        made["match"] = {**made.get("match", {}), "state": _one_or_more(states)}
    elif states:
        told = ", ".join(sorted(states))
        notes.add(f"fires on every state of the same types, not on {told} alone", "expect")
    with notes.at("for_each"):
        if entries := for_each(_texts(given.get("for_each")), notes):
            made["for_each"] = entries
    made["threshold"] = int(given.get("threshold", 1))
    made["within"] = format_duration(_within(given, made, notes))
    return made


def _within(given: dict[str, Any], made: dict[str, Any], notes: Notes) -> timedelta:
    """Return the window's length, where Prefect has one that it does not write."""
    within = _duration(given.get("within"))
    if made["posture"] == "Proactive":
        return within or _SHORTEST_ABSENCE
    if not within and made["threshold"] > 1:
        raise NoEqual("a threshold above 1 with no 'within' can't be reached")
    if not within and made.get("after"):
        notes.add("'after' needs a window here: it stays open for ten years", "within")
        return _NO_LIMIT
    return within


def _metric(given: dict[str, Any], names: Names, notes: Notes) -> dict[str, Any]:
    query = given.get("metric")
    if not isinstance(query, dict) or query.get("name") not in _METRICS:
        raise NoEqual("a metric is one of successes, lateness and duration")
    threshold = float(query["threshold"])
    if query["name"] == "successes" and threshold > 1:
        notes.add(f"a rate lies between 0 and 1 here: {threshold:g} % is {threshold / 100:g}")
        threshold /= 100
    return {
        "type": "metric",
        "metric": _METRICS[query["name"]],
        **_selection(given, names, notes),
        "operator": query["operator"],
        "threshold": threshold,
        "range": format_duration(_duration(query.get("range", 300))),
        "firing_for": format_duration(_duration(query.get("firing_for", 300))),
    }


def _composite(kind: str, given: dict[str, Any], names: Names, notes: Notes) -> dict[str, Any]:
    made: dict[str, Any] = {"type": kind}
    if kind == "compound":
        made["require"] = given.get("require", "all")
    if within := _duration(given.get("within")):
        made["within"] = format_duration(within)
    parts = []
    for index, each in enumerate(given.get("triggers") or []):
        with notes.at("triggers", index):
            parts.append(trigger(each, names, notes))
    return {**made, "triggers": parts}


def _selection(given: dict[str, Any], names: Names, notes: Notes) -> dict[str, Any]:
    made: dict[str, Any] = {}
    with notes.at("match"):
        if match := labels(given.get("match") or {}, names, notes):
            made["match"] = match
    related = given.get("match_related") or []
    specs = []
    for index, spec in enumerate(related if isinstance(related, list) else [related]):
        with notes.at("match_related", *([index] if isinstance(related, list) else [])):
            if spec and (found := labels(spec, names, notes)):
                specs.append(found)
    if specs:
        made["match_related"] = specs[0] if len(specs) == 1 else specs
    return made


def _duration(given: Any) -> timedelta:
    """Read a duration: seconds, ISO 8601 or ``H:MM:SS``."""
    try:
        if isinstance(given, str) and re.fullmatch(r"\d+(\.\d+)?", given):
            given = float(given)
        return _DURATION.validate_python(given or 0)
    except ValidationError as error:
        raise NoEqual(f"{given!r} is no duration") from error


def _texts(given: Any) -> list[str]:
    if given is None:
        return []
    return [str(each) for each in given] if isinstance(given, list | tuple | set) else [str(given)]


def _one_or_more(values: frozenset[str]) -> str | list[str]:
    listed = sorted(values)
    return listed[0] if len(listed) == 1 else listed
