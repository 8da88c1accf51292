"""How a measure is compared with a threshold, and how thresholds are written."""

from __future__ import annotations

import operator
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

from upshot.events.durations import parse_duration


class Operator(StrEnum):
    """How the measure is compared with the threshold."""

    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="

    def breached(self, value: float, threshold: float) -> bool:
        """Tell whether the value is beyond the threshold."""
        return _COMPARE[self](value, threshold)

    @property
    def downward(self) -> bool:
        """Whether less is worse."""
        return self in (Operator.LESS, Operator.AT_MOST)


_COMPARE: Final[dict[Operator, Callable[[float, float], bool]]] = {
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.MORE: operator.gt,
    Operator.AT_LEAST: operator.ge,
}


def _number(value: Any) -> Any:
    """Read ``90%`` and ``10m`` as numbers."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return parse_duration(text).total_seconds()


Measure = Annotated[
    float,
    BeforeValidator(_number),
    Field(allow_inf_nan=False),
    WithJsonSchema({"type": ["number", "string"], "examples": [0.9, "90%", "10m"]}),
]
"""A number, a percentage, or a duration in seconds."""
