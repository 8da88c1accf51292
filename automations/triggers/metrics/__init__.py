"""What metric triggers measure: readings of events, kept in slots of time."""

from __future__ import annotations

from .comparison import Measure, Operator
from .measured import MAX_POSITIONS, Measured
from .readings import READINGS, Metric, Reading
from .samples import SLOTS, Aggregate, Samples

__all__ = [
    "MAX_POSITIONS",
    "READINGS",
    "SLOTS",
    "Aggregate",
    "Measure",
    "Measured",
    "Metric",
    "Operator",
    "Reading",
    "Samples",
]
