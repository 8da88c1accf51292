"""Finds the name that somebody probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Set


def did_you_mean(name: str, known: Set[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the nearest known name, or nothing."""
    nearest = difflib.get_close_matches(name, sorted(known), n=1)
    return f" (did you mean '{nearest[0]}'?)" if nearest else ""
