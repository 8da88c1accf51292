"""Events of Upshot's own, straight into the form that the log keeps.

They are made of parts that were checked where they entered, so these are not checked again: only
whether the whole is small and shallow enough for all who read the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json

from .event import Causation, require_readable
from .exceptions import InvalidEvent


def own_event(
    name: str,
    *,
    event_id: str,
    resource: dict[str, str],
    related: Sequence[dict[str, str]],
    payload: dict[str, Any],
    follows: str | None,
    causation: Causation,
) -> bytes:
    """Return an event's JSON; the parameters are as the attributes of ``Event``.

    Raises:
        InvalidEvent: it is too large or too deep, or its payload is not JSON.
    """
    event = {
        "id": event_id,
        "event": name,
        "occurred": datetime.now(UTC),
        "resource": resource,
        "related": related,
        "payload": payload,
        "follows": follows,
        "causation": causation,
    }
    try:
        return require_readable(to_json(event))
    except ValueError as error:
        raise InvalidEvent(f"payload: not JSON: {error}") from error
