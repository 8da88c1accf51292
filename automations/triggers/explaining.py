"""Says what a trigger asked of an event and what it found: expected against actual, by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..expressions.mentions import mentioned
from .base import Reason

if TYPE_CHECKING:
    from ..matching import LabelMatch
    from .base import Facts


@dataclass(slots=True, frozen=True)
class Check:
    """One thing that a trigger asks.

    Attributes:
        what: the part of the definition: ``match name``, ``threshold``.
        expected: what it asks for.
        actual: what there was.
        met: whether that is enough; None where it was not come to, or only informs.
        values: what an expression mentions, by path.
    """

    what: str
    expected: Any
    actual: Any
    met: bool | None = None
    values: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the check as data."""
        told = {
            "what": self.what,
            "expected": self.expected,
            "actual": self.actual,
            "met": self.met,
        }
        return told if self.values is None else {**told, "values": self.values}


Checks = list[Check]


def name_check(what: str, names: Sequence[str], facts: Facts, met: bool) -> Check:
    """Return whether the event has one of the names that are asked for."""
    return Check(what, list(names), facts.name, met)


def label_checks(what: str, spec: LabelMatch, resource: dict[str, str]) -> Checks:
    """Return one check for each label of a spec."""
    return [
        Check(f"{what} {each.label}", _shown(each.expected), each.actual, met)
        for each, met in spec.compared(resource)
    ]


def related_checks(specs: Sequence[LabelMatch], facts: Facts) -> Checks:
    """Return one check for each spec of related resources: met, or why the nearest fails."""
    checks = []
    for spec in specs:
        mismatch = spec.mismatch_among(facts.related)
        actual = f"{len(facts.related)} related" if mismatch is None else str(mismatch)
        checks.append(Check("match_related", spec.as_dict(), actual, mismatch is None))
    return checks


def where_check(source: str, reason: Reason, detail: str, facts: Facts) -> Check:
    """Return how the ``where`` came out, as the verdict tells, and what it saw."""
    outcomes: dict[Reason, tuple[Any, bool | None]] = {
        Reason.WHERE_FALSE: (False, False),
        Reason.WHERE_ERROR: (detail, False),
        Reason.NOT_EXPECTED: (None, None),
        Reason.NO_MATCH: (None, None),
        Reason.NO_RELATED_MATCH: (None, None),
    }
    actual, met = outcomes.get(reason, (True, True))
    values = None if met is None else mentioned(source, {"event": facts.body})
    return Check("where", source, actual, met, values)


def _shown(values: tuple[str, ...]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)
