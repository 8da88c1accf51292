"""Tells of firings: what stands in their record, line by line, for ``firing`` and for traces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from . import times
from .printing import cell, literal

Line = tuple[str, str]
"""A text, and its colour."""

_STYLES: Final = {
    "succeeded": "green",
    "skipped": "dim",
    "failed": "red",
    "dead-lettered": "bold red",
    "shadow": "yellow",
}
_WIDEST: Final = 200


def why(firing: Mapping[str, Any]) -> Iterator[Line]:
    """Yield why it fired: reason, bucket, value, batch, incident, conditions."""
    labels = firing.get("labels") or {}
    bucket = ", ".join(f"{key}={value}" for key, value in labels.items())
    yield cut(f"{firing.get('reason')}{bucket and ' for '}{bucket}"), ""
    if firing.get("value") is not None:
        yield f"value {firing['value']:g}", ""
    if (firing.get("batch") or 1) > 1:
        yield f"stands for {firing['batch']} firings of the trigger", ""
    if incident := firing.get("incident"):
        told = f"incident {incident.get('status')}, firing {incident.get('count')} of it"
        yield cut(told), ""
    yield from map(_condition, firing.get("conditions") or [])
    if firing.get("replaced_by"):
        yield cut(f"replaced by firing {firing['replaced_by']}"), "yellow"


def _condition(condition: Mapping[str, Any]) -> Line:
    found = ", ".join(
        f"{each.get('lookup')} = {literal(each.get('value', each.get('error')))}"
        for each in condition.get("lookups") or []
    )
    told = f"condition {condition.get('expression')}: {cell(condition.get('holds'))}"
    return cut(f"{told}{found and f' ({found})'}"), ""


def ended(outcome: Mapping[str, Any] | None, kind: str) -> Line:
    """Return how an action ended, and after how many tries."""
    if outcome is None:
        return f"{kind} open", "cyan"
    attempts = outcome.get("attempts") or 0
    tries = f" after {attempts} tries" if attempts > 1 else ""
    detail = f": {outcome['detail']}" if outcome.get("detail") else ""
    how = str(outcome.get("outcome"))
    would = f", would {outcome['would']}" if outcome.get("would") else ""
    return cut(f"{kind} {how}{would}{tries}{detail}"), _STYLES.get(how, "")


def asked(outcome: Mapping[str, Any] | None) -> Iterator[Line]:
    """Yield what an action was filled in with, and its ``if``."""
    found = outcome or {}
    condition = found.get("if")
    if condition:
        yield cut(f"if {condition['expression']}: {cell(condition['holds'])}"), "dim"
    for name, value in (found.get("arguments") or {}).items():
        yield cut(f"{name}: {literal(value)}"), "dim"
    if found.get("started"):
        took = times.between(found["started"], found.get("ended"), times.now())
        yield f"at {times.local(found['started'])}, took {took}", "dim"


def cut(text: str) -> str:
    """Return one line of at most so many characters, harmless to terminals."""
    line = cell(text)
    return line if len(line) <= _WIDEST else line[:_WIDEST] + " …"
