"""Counts what an evaluator did since it was made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Statistics:
    """Counts since the evaluator was made.

    Attributes:
        events: events seen.
        decisions: trigger decisions made.
        firings: firings decided.
        suppressions: firings suppressed and evaluations that failed.
        where_errors: events on which a ``where`` could not be evaluated.
    """

    events: int = 0
    decisions: int = 0
    firings: int = 0
    suppressions: int = 0
    where_errors: int = 0
