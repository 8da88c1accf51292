"""Numbers that JSON does not have: parsers let them in, and they would be written as null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import from_json, to_json

from .exceptions import InvalidEvent

NOT_FINITE: Final = "NaN, Infinity and numbers beyond the range of a double are not JSON"


def not_finite(value: Any) -> str | None:
    """Return the way to the first number in JSON data that is none, such as ``rates.0``, or None.

    The value itself has no way to it: that is an empty string.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    if not isinstance(value, dict | list):
        return None
    for name, part in value.items() if isinstance(value, dict) else enumerate(value):
        if (way := not_finite(part)) is not None:
            return f"{name}.{way}" if way else str(name)
    return None


def require_finite(payload: Mapping[str, Any], body: bytes) -> None:
    """Do nothing for an event whose numbers are all in its JSON.

    Args:
        payload: of the event; any values that can be written. body: the whole event as JSON.

    Raises:
        InvalidEvent: naming the first that is not.
    """
    if b"null" not in body:  # which is what such a number would have become
        return
    way = not_finite(from_json(to_json(payload, inf_nan_mode="constants")))
    if way is not None:
        raise InvalidEvent(f"payload.{way}: {NOT_FINITE}")
