"""The loop guard: an automation does not go on reacting to what it brought about itself."""

from __future__ import annotations

from typing import Any, Final

DEEPEST: Final = 32
"""Firings that may follow from one another, whatever automations they are of."""


def loop(causation: dict[str, Any], automation_id: str, max_depth: int) -> str | None:
    """Return why an automation must not fire on what has this way behind it, or None if it may.

    Args:
        causation: the way that led there.
        max_depth: how often the automation may have been passed on it, plus one.
    """
    passed = causation.get("automations", {}).get(automation_id, 0)
    if passed >= max_depth:
        return "this automation itself led to the event"
    if causation.get("depth", 0) >= DEEPEST:
        return f"{DEEPEST} firings have followed from one another"
    return None
