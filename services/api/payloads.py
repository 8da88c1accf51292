"""Numbers that JSON does not have: parsers let them in, and they would be written as null."""

from __future__ import annotations

import math
from typing import Any, Final

NOT_FINITE: Final = "NaN, Infinity and numbers beyond the range of a double are not JSON"


def is_finite(value: Any) -> bool:
    """Tell whether every number within ``value`` can be written as JSON."""
    if isinstance(value, dict):
        return all(is_finite(part) for part in value.values())
    if isinstance(value, list):
        return all(is_finite(part) for part in value)
    return not isinstance(value, float) or math.isfinite(value)
